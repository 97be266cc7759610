"""Metadata of a `.czmodel`, by the names of the ZEISS packages: ModelMetadata to 1.2, LegacyModelMetadata since 3.0.

Values only: they are checked when they are put into an archive, as `czconverter.ArchiveMetadata`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from czconverter.json_values import Values, read_values, require
from czconverter.metadata import ArchiveMetadata
from czengine.errors import OptionError
from czengine.formats.colors import class_colors
from czengine.spec import Color

JsonSource = str | Path | Mapping[str, Any] | Values


class SegmentationClass(NamedTuple):
    """A class by its name and its colour, (red, green, blue) in 0-255."""

    name: str
    color: Color


@dataclass(frozen=True)
class LegacyModelMetadata:
    """What a `.czmodel` says about its network.

    Attributes
    ----------
    name : str
        Display name.
    color_handling : str
        "ConvertToMonochrome" or "SplitRgb".
    pixel_types : list of str
        One per channel item; a str means one.
    classes : list of SegmentationClass
        One per network output; a str gets the colour that the ZEISS colour generator has for its place.
    border_size : int
        Pixels per side that are inferred and thrown away.
    license_file : str or None
        File to pack; since 3.0 it belongs to the ModelSpec.
    post_processing : str or None
        Word for ZEN.
    model_id : str or None
        UUID; None makes one from the content of the archive, when it is written.
    """

    name: str
    color_handling: str
    pixel_types: Sequence[str]
    classes: Sequence[str | SegmentationClass]
    border_size: int
    license_file: str | None = None
    post_processing: str | None = None
    model_id: str | None = None

    def __post_init__(self) -> None:
        single = isinstance(self.pixel_types, str)
        object.__setattr__(
            self, "pixel_types", [self.pixel_types] if single else _list_of(self, "pixel_types")
        )
        object.__setattr__(self, "classes", _colored(_list_of(self, "classes")))
        object.__setattr__(self, "model_id", None if self.model_id is None else str(self.model_id))

    @classmethod
    def from_params(
        cls,
        color_handling: str,
        pixel_types: str | Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        border_size: int | None = None,
        name: str = "DNN Model",
        license_file: str | None = None,
        *,
        pixel_type: str | Sequence[str] | None = None,
    ) -> LegacyModelMetadata:
        """Metadata as 0.1 to 1.2 make them; `pixel_type` is what `pixel_types` was called before 1.2.

        Raises
        ------
        OptionError
            Where one of pixel_types, classes and border_size is missing, all of them in one sentence.
        """
        if pixel_type is not None and pixel_types is not None:
            raise OptionError("pixel_type and pixel_types are the same; give one of them")
        given = {
            "pixel_types": pixel_type if pixel_types is None else pixel_types,
            "classes": classes,
            "border_size": border_size,
        }
        missing = [key for key, value in given.items() if value is None]
        if missing:
            raise OptionError(f"from_params lacks {', '.join(missing)}; give every one of them")
        known: dict[str, Any] = given
        return cls(name=name, color_handling=color_handling, license_file=license_file, **known)

    @classmethod
    def from_json(cls, model_metadata: JsonSource) -> LegacyModelMetadata:
        """Metadata from a flat JSON spec: its path, or what was read from it. The path of the model gives the name.

        Raises
        ------
        OptionError
            Where it cannot be read, lacks keys (all are named), or has a value that cannot be.
        """
        values = json_object(model_metadata)
        require(values.missing("BorderSize", "ColorHandling", "PixelType", "Classes"))
        path = (values.text("ModelPath") or "DNN model").replace("\\", "/")
        names, colors = values.texts("Classes"), values.colors("Colors")
        if colors and len(colors) != len(names):
            raise OptionError(f"there are {len(colors)} Colors for {len(names)} Classes; give one per class")
        return cls(
            name=values.text("ModelName") or path.rstrip("/").rpartition("/")[2],
            color_handling=values.text("ColorHandling") or "",
            pixel_types=list(values.text_or_texts("PixelType")),
            classes=list(map(SegmentationClass, names, colors or class_colors(len(names)))),
            border_size=values.whole("BorderSize") or 0,
            license_file=values.text("LicenseFile"),
            post_processing=values.text("Postprocessing"),
            model_id=values.text("Id"),
        )

    def archive_metadata(self) -> ArchiveMetadata:
        """The same for `czconverter.convert`.

        Raises
        ------
        OptionError
            For values that cannot be.
        """
        classes = _colored(list(self.classes))
        return ArchiveMetadata(
            name=self.name,
            classes=tuple(item.name for item in classes),
            colors=tuple(item.color for item in classes),
            pixel_types=tuple(self.pixel_types),
            color_handling=self.color_handling,
            border=self.border_size,
            postprocessing=self.post_processing,
            licence=None if self.license_file is None else Path(self.license_file),
            id=self.model_id,
        )


ModelMetadata = LegacyModelMetadata


def json_object(source: JsonSource) -> Values:
    """The values of a JSON object: of the file at a path, or as they were read from one.

    Raises
    ------
    OptionError
        Where the file cannot be read.
    """
    if isinstance(source, Values):
        return source
    if isinstance(source, Mapping):
        return Values(dict(source))
    try:
        return read_values(Path(source))
    except OptionError as error:  # those below know the reason, not the file
        raise OptionError(f"{source}: {error}") from error


def _list_of(metadata: LegacyModelMetadata, name: str) -> list[Any]:
    values = getattr(metadata, name)
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise OptionError(f"{name} is {values!r}; give a list of names")
    return list(values)


def _colored(classes: list[Any]) -> list[SegmentationClass]:
    colors = class_colors(len(classes))
    return [
        SegmentationClass(*item)
        if isinstance(item, tuple) and len(item) == 2
        else SegmentationClass(item, color)
        for item, color in zip(classes, colors, strict=True)
    ]
