"""`.czmodel`: the metadata as XML 3.0.0 or 3.1.0, byte for byte as czmodel 1.2 to 5.1 write it.

Only this module knows the elements and their order. Networks get raw counts, the classes are one per output and
labelled from 1, the border is one number: what does not fit that has been refused or said before.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from czconverter.metadata import ArchiveMetadata
from czconverter.package.contents import Contents, Member
from czengine.formats.colors import class_colors
from czengine.spec import Runtime


def members(contents: Contents) -> list[Member]:
    """Metadata, network, licence and the marker that names the archive, in this order."""
    model_id = contents.metadata.id
    licence = [] if contents.licence is None else [contents.licence]
    return [
        (f"{model_id}.xml", _xml(contents.metadata, version(contents))),
        (f"{model_id}.model", contents.network),
        *licence,
        (f"modelid={model_id}", b""),
    ]


def version(contents: Contents) -> str:
    """What the XML says: "3.0.0" for what its readers know, a SavedModel and one channel item; else "3.1.0"."""
    is_old = contents.runtime is Runtime.SAVEDMODEL and len(contents.metadata.pixel_types) == 1
    return "3.0.0" if is_old else "3.1.0"


def _xml(metadata: ArchiveMetadata, version: str) -> bytes:
    root = Element("Model", Version=version)
    texts = {
        "Id": metadata.id,
        "ModelName": metadata.name,
        "Status": "Trained",
        "FeatureExtractor": "DeepNeuralNetwork",
        "Postprocessing": metadata.postprocessing,
        "ColorHandling": metadata.color_handling,
    }
    for tag, text in texts.items():
        SubElement(root, tag).text = text
    channels = SubElement(root, "Channels")
    for pixel_type in metadata.pixel_types:
        SubElement(channels, "Item", PixelType=pixel_type)
    _add_classes(SubElement(root, "TrainingClasses"), metadata)
    SubElement(root, "BorderSize").text = str(max(metadata.sides))  # one for both axes
    xml: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _add_classes(parent: Element, metadata: ArchiveMetadata) -> None:
    colors = metadata.colors or class_colors(len(metadata.classes))
    for label, (name, (red, green, blue)) in enumerate(zip(metadata.classes, colors, strict=True), start=1):
        parts = {"colB": str(blue), "colG": str(green), "colR": str(red)}
        SubElement(parent, "Item", {**parts, "LabelValue": str(label), "Name": name})
