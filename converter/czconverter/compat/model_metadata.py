"""Metadata of a `.czann`, and ModelSpec, which joins metadata and model; by the names of the ZEISS packages.

One ModelMetadata answers scripts of both eras: 0.1 to 1.2 call `from_params` and get metadata of a `.czmodel`, 2.0 and
later call the constructor. Values only: whether they fit the network is looked at when they are converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from czconverter.compat.legacy_model_metadata import (
    JsonSource,
    LegacyModelMetadata,
    SegmentationClass,
    json_object,
)
from czconverter.json_spec import OVERLAP, SHAPE, border_of, pixel_size_of, read_json_spec, shape_of
from czconverter.json_values import require
from czconverter.metadata import ArchiveMetadata
from czengine.errors import OptionError

__all__ = ["ModelMetadata", "ModelSpec", "ModelType", "SegmentationClass"]


class ModelType(Enum):
    """What a network is for. Archives are written for semantic segmentation and regression only."""

    SINGLE_CLASS_INSTANCE_SEGMENTATION = "SingleClassInstanceSegmentation"
    MULTI_CLASS_INSTANCE_SEGMENTATION = "MultiClassInstanceSegmentation"
    SINGLE_CLASS_SEMANTIC_SEGMENTATION = "SingleClassSemanticSegmentation"
    MULTI_CLASS_SEMANTIC_SEGMENTATION = "MultiClassSemanticSegmentation"
    SINGLE_CLASS_CLASSIFICATION = "SingleClassClassification"
    MULTI_CLASS_CLASSIFICATION = "MultiClassClassification"
    OBJECT_DETECTION = "ObjectDetection"
    REGRESSION = "Regression"


@dataclass(frozen=True)
class ModelMetadata:
    """What a `.czann` says about its network.

    Attributes
    ----------
    model_type : ModelType
        Its name in the JSON will do too, e.g. "Regression".
    input_shape, output_shape : sequence of int
        (height, width, channels).
    min_overlap : sequence of int or None
        Overlap of tiles in pixels, (y, x): the total of both sides, so even.
    classes : sequence of str or None
        One per output; none for regression.
    model_name : str or None
        Display name; None takes the file's.
    scaling : sequence of float or None
        Training pixel size (x, y) in metres.
    model_id : str or None
        UUID; None makes one from the content of the archive, when it is written.
    """

    model_type: ModelType
    input_shape: Sequence[int]
    output_shape: Sequence[int]
    min_overlap: Sequence[int] | None = None
    classes: Sequence[str] | None = None
    model_name: str | None = None
    _: KW_ONLY
    scaling: Sequence[float] | None = None
    model_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model_type", _model_type(self.model_type))

    from_params = LegacyModelMetadata.from_params  # scripts of 0.1 to 1.2 know no other metadata

    @staticmethod
    def from_json(model_metadata: JsonSource) -> ModelMetadata | LegacyModelMetadata:
        """Metadata from JSON: the `model.json` of an archive, or a JSON spec of either era; its path or its content.

        Raises
        ------
        OptionError
            Where it cannot be read, lacks keys (all are named), or has a value that cannot be.
        """
        values = json_object(model_metadata)
        if "BorderSize" in values or "PixelType" in values:
            return LegacyModelMetadata.from_json(values)
        values = values.inner("ModelMetadata") if "ModelMetadata" in values else values
        require(values.missing("Type", "InputShape", "OutputShape"))
        return ModelMetadata(
            model_type=_model_type(values.text("Type")),
            input_shape=values.wholes("InputShape", (3, 4), SHAPE) or (),
            output_shape=values.wholes("OutputShape", (3, 4), SHAPE) or (),
            min_overlap=values.wholes("MinOverlap", (1, 2, 3), OVERLAP),
            classes=values.texts("Classes") or None,
            model_name=values.text("ModelName"),
            scaling=values.numbers("Scaling"),
            model_id=values.text("Id"),
        )

    def archive_metadata(self) -> ArchiveMetadata:
        """The same for `czconverter.convert`, after a look at whether it agrees with itself.

        Raises
        ------
        OptionError
            For values that cannot be.
        ModelError
            For the shape of volumes.
        """
        given = shape_of("input_shape", self.input_shape)
        result = shape_of("output_shape", self.output_shape)
        if isinstance(self.classes, str):
            raise OptionError(f"classes is {self.classes!r}; give a list of names")
        classes = tuple(self.classes or ())
        if classes and len(classes) != result[2]:
            raise OptionError(
                f"there are {len(classes)} classes ({', '.join(map(str, classes))}), and output_shape"
                f" {list(self.output_shape)} has {result[2]} outputs; name one class per output"
            )
        return ArchiveMetadata(
            name=self.model_name,
            classes=classes,
            model_type=self.model_type.value,
            border=border_of("min_overlap", self.min_overlap),
            pixel_size=pixel_size_of(self.scaling),
            tile=given[:2],
            shapes=(given, result),
            id=self.model_id,
        )


@dataclass(frozen=True)
class ModelSpec:
    """A model and its metadata.

    Attributes
    ----------
    model : model, str or Path
        A Keras or PyTorch model, `onnx.ModelProto`, or the path of one.
    model_metadata : ModelMetadata or LegacyModelMetadata
        Decides between `.czann` and `.czmodel`.
    license_file : str or None
        File to pack under its own name.
    """

    model: Any
    model_metadata: ModelMetadata | LegacyModelMetadata
    license_file: str | Path | None = None

    @staticmethod
    def from_json(model_spec_path: str | Path) -> ModelSpec:
        """What a JSON spec of either era says; relative paths are looked for beside it, then in the current folder.

        Raises
        ------
        OptionError
            Where it cannot be read, lacks keys (all are named), or has a value that cannot be.
        ModelError
            Where it describes a network that cannot be converted: volumes, or not one result per pixel.
        """
        values = json_object(model_spec_path)
        spec = read_json_spec(Path(model_spec_path), values)
        metadata = ModelMetadata.from_json(values)
        return ModelSpec(model=str(spec.model), model_metadata=metadata, license_file=spec.metadata.licence)


def _model_type(name: object) -> ModelType:
    try:
        return ModelType(name)
    except ValueError as error:
        known = ", ".join(kind.value for kind in ModelType)
        raise OptionError(f"model type {name!r} is unknown; choose {known}") from error
