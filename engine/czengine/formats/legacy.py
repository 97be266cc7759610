"""The XML of `.czmodel` and `.czseg`: versions 3.0, 3.1 and 3.2, from bytes to `Metadata`.

Parsed without entities and DTD. Only this module knows the XML's elements, the pixel types, and which version
gives the network raw counts. It never sees the network, so it does not judge whether the two agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from czengine.errors import ArchiveError, ModelError
from czengine.formats import MAX_LABEL, Metadata, check_version, clean_text
from czengine.formats.colors import class_colors
from czengine.spec import Color, ModelClass, Task

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NETWORK = "DeepNeuralNetwork"
_KNOWN = {3: 2}  # major: newest minor

PIXEL_CHANNELS = {
    "Gray8": 1,
    "Gray16": 1,
    "Gray32Float": 1,
    "Bgr24": 3,
    "Bgr48": 3,
    "Bgr96Float": 3,
    "Bgra32": 4,
}
_COMPLEX = ("Gray64ComplexFloat", "Bgr192ComplexFloat")


def parse_metadata(data: bytes) -> Metadata:
    """Read the XML of a legacy archive.

    Raises
    ------
    ArchiveError
        If it is not well-formed, or uses a DTD or entities.
    ModelError
        If it describes no neural network, an unknown version, or has a value that cannot be.
    """
    root = _parse(data)
    extractor = _text(root, "FeatureExtractor")
    if extractor not in (None, _NETWORK):
        raise ModelError(
            f"FeatureExtractor is {extractor!r}: a random-forest or other classical model, which is not supported;"
            f" only {_NETWORK} is, so train a network or run this model in ZEN"
        )
    written = root.get("Version")
    if written is None:
        raise ModelError(
            '<Model> has no Version; a supported archive says Version="3.0.0", "3.1.0" or "3.2.0"'
        )
    version, warnings = check_version("Version", written.strip(), _KNOWN)
    inferred: dict[str, str] = {}
    pixel_types, channels = _pixel_types(root, warnings)
    return Metadata(
        format="legacy",
        version=written.strip(),
        id=_text(root, "Id"),
        name=_text(root, "ModelName"),
        description=_text(root, "Description") or "",
        task=Task.SEGMENTATION,
        model_type=extractor or _NETWORK,
        classes=_classes(root, inferred),
        border=_border(root),
        scale_inputs=_scale_inputs(root, version, inferred, warnings),
        tile=_tile(root, warnings),
        channels=channels,
        pixel_types=pixel_types,
        color_handling=_color_handling(root, warnings),
        postprocessing=_postprocessing(root),
        inferred=inferred,
        warnings=tuple(warnings),
    )


def _parse(data: bytes) -> Element:
    try:
        # .NET writers may declare utf-16 in a file that is utf-8: text that decodes is believed over its declaration
        source: str | bytes = data.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError:
        source = data
    try:
        root: Element = fromstring(source, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ArchiveError(
            "the XML metadata have a DTD or entities, which no ZEISS tool writes; refused as unsafe"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise ArchiveError(
            f"the XML metadata are not well-formed ({error}); export the model again"
        ) from error
    if root.tag != "Model":
        raise ArchiveError(
            f"the XML metadata start with <{clean_text(root.tag)}>; a model starts with <Model>"
        )
    return root


def _text(root: Element, name: str) -> str | None:
    """Text of a child element, None where it is missing or blank."""
    return clean_text(root.findtext(name) or "") or None


def _number(text: str | None, what: str, *, low: int, high: int) -> int:
    if text is None or not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()) or not low <= int(text) <= high:
        value = "missing" if text is None else repr(clean_text(text))
        raise ModelError(f"{what} is {value}; it must be a whole number from {low} to {high}")
    return int(text)


def _border(root: Element) -> tuple[int, int] | None:
    text = _text(root, "BorderSize")
    if text is None:
        return None
    border = _number(text, "BorderSize", low=0, high=2**31)
    return border, border


def _tile(root: Element, warnings: list[str]) -> tuple[int, int] | None:
    names = ("TotalTileHeight", "TotalTileWidth")
    texts = [_text(root, name) for name in names]
    sides = [_number(t, n, low=1, high=2**31) for n, t in zip(names, texts, strict=True) if t is not None]
    if len(sides) == 1:
        warnings.append(f"only one of {names[0]} and {names[1]} is given; neither is used")
    return (sides[0], sides[1]) if len(sides) == 2 else None


def _scale_inputs(
    root: Element, version: tuple[int, int], inferred: dict[str, str], warnings: list[str]
) -> bool:
    """3.0 and 3.1 networks get raw counts; since 3.2 the archive says, and without a word they are scaled."""
    text = _text(root, "ScaleInputsByBitdepth")
    values = {"true": True, "1": True, "false": False, "0": False}
    if text is not None and text.lower() not in values:
        raise ModelError(f"ScaleInputsByBitdepth is {text!r}; it must be true or false")
    if version < (3, 2):
        inferred["scale_inputs"] = f"rule for version {version[0]}.{version[1]}: raw counts"
        if text is not None and values[text.lower()]:
            warnings.append(
                f"ScaleInputsByBitdepth is not part of version {version[0]}.{version[1]} and is ignored: the network"
                " gets raw counts, unless inputs are told to be scaled"
            )
        return False
    if text is None:
        inferred["scale_inputs"] = "default of version 3.2: scaled"
        return True
    return values[text.lower()]


def _color_handling(root: Element, warnings: list[str]) -> str | None:
    handling = _text(root, "ColorHandling")
    if handling not in (None, "ConvertToMonochrome", "SplitRgb"):
        warnings.append(f"ColorHandling is {handling!r}, which is unknown; colour is treated as for SplitRgb")
    return handling


def _postprocessing(root: Element) -> str | None:
    text = _text(root, "Postprocessing")
    return None if text is None or text.lower() == "none" else text


def _pixel_types(root: Element, warnings: list[str]) -> tuple[tuple[tuple[str, ...], ...], int | None]:
    """Alternatives per channel item, and the channels they make together: None where that is unclear."""
    items = tuple(
        tuple(clean_text(item.get("PixelType", "")).split()) for item in root.findall("Channels/Item")
    )
    unknown = {
        name: None for item in items for name in item if name not in PIXEL_CHANNELS and name not in _COMPLEX
    }
    if unknown:
        names = ", ".join(repr(name) for name in list(unknown)[:5])
        warnings.append(f"PixelType {names} is unknown; the number of channels is taken from the network")
    counts = [_item_channels(item) for item in items]
    known = [count for count in counts if count is not None]
    return items, sum(known) if counts and len(known) == len(counts) else None


def _item_channels(item: tuple[str, ...]) -> int | None:
    if not item:
        raise ModelError("a channel item has no PixelType; it must name one, such as Gray16")
    if all(name in _COMPLEX for name in item):
        raise ModelError(
            f"PixelType is {item[0]!r}; complex pixels are not supported, only {', '.join(PIXEL_CHANNELS)}"
        )
    counts = {PIXEL_CHANNELS.get(name) for name in item if name not in _COMPLEX}
    return counts.pop() if len(counts) == 1 else None


def _classes(root: Element, inferred: dict[str, str]) -> tuple[ModelClass, ...]:
    """Classes by LabelValue, which counts the network's outputs from 1 whatever the order of the items."""
    items = root.findall("TrainingClasses/Item")
    labels = [_number(item.get("LabelValue"), _label_of(item), low=1, high=MAX_LABEL) for item in items]
    repeated = [label for label, times in Counter(labels).items() if times > 1]
    if repeated:
        raise ModelError(f"two training classes have LabelValue {repeated[0]}; each needs its own")
    palette = class_colors(max(labels, default=0))
    classes = []
    for label, item in sorted(zip(labels, items, strict=True), key=lambda pair: pair[0]):
        name = clean_text(item.get("Name", "")) or f"class {label}"
        classes.append(ModelClass(name=name, label=label, color=_color(item, name, label, palette, inferred)))
    return tuple(classes)


def _label_of(item: Element) -> str:
    return f"LabelValue of training class {clean_text(item.get('Name', ''))!r}"


def _color(item: Element, name: str, label: int, palette: Sequence[Color], inferred: dict[str, str]) -> Color:
    parts = [item.get(key) for key in ("colR", "colG", "colB")]
    if None in parts:
        inferred["classes"] = "colours of the ZEISS colour generator"
        return palette[label - 1]
    what = [f"{key} of training class {name!r}" for key in ("colR", "colG", "colB")]
    red, green, blue = (_number(part, w, low=0, high=255) for part, w in zip(parts, what, strict=True))
    return red, green, blue
