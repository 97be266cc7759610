"""Archives and small networks, built in code: what the tests need beside the reference files.

    legacy_archive(tmp_path / "a.czmodel", classes=["Background", "Cell"], BorderSize=8)
    czann_archive(tmp_path / "a.czann", network=onnx_network(64, 64, 1, 2), MinOverlap=[16, 16])

Every keyword named like an XML element or a JSON key sets it; `...` leaves it out. `zip_of` writes any
members at all, for archives that are wrong on purpose.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

MODEL_ID = "12345678-0000-4000-8000-000000000001"
_COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
Dim = int | str | None


def onnx_network(
    height: Dim = 32,
    width: Dim = 32,
    channels: int = 1,
    outputs: int = 2,
    *,
    layout: str = "NHWC",
    batch: Dim = "N",
    kernel: int = 1,
    softmax: bool = True,
    opset: int = 12,
    ir_version: int = 7,
    weights: Any = None,
    bias: Any = None,
    input_name: str = "input",
    output_name: str = "output",
) -> bytes:
    """A convolution (same padding) and a softmax over the channels, as ONNX bytes.

    `weights` (outputs, channels, kernel, kernel) and `bias` (outputs,) default to fixed random numbers.
    Dims may be strings or None, which makes them symbolic or unknown. NHWC gets a Transpose at both ends.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    shape = (outputs, channels, kernel, kernel)
    weights = random.normal(size=shape) if weights is None else np.asarray(weights)
    bias = random.normal(size=outputs) if bias is None else np.asarray(bias)
    last = layout == "NHWC"
    first, result = ("nchw", "scores") if last else (input_name, output_name)
    nodes = [helper.make_node("Transpose", [input_name], [first], perm=[0, 3, 1, 2])] if last else []
    convolved = "convolved" if softmax else result
    nodes += [helper.make_node("Conv", [first, "w", "b"], [convolved], pads=[kernel // 2] * 4)]
    if softmax:
        nodes += _softmax(convolved, result, opset)
    if last:
        nodes += [helper.make_node("Transpose", [result], [output_name], perm=[0, 2, 3, 1])]

    def value(name: str, depth: int) -> Any:
        dims = [batch, height, width, depth] if last else [batch, depth, height, width]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    constants = [("w", weights.reshape(shape)), ("b", bias)]
    graph = helper.make_graph(
        nodes,
        "network",
        [value(input_name, channels)],
        [value(output_name, outputs)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    return bytes(model.SerializeToString())


def _softmax(source: str, target: str, opset: int) -> list[Any]:
    """Softmax over axis 1: before opset 13 the operator flattens, so it is spelled out."""
    from onnx import helper

    if opset >= 13:
        return [helper.make_node("Softmax", [source], [target], axis=1)]
    return [
        helper.make_node("ReduceMax", [source], ["top"], axes=[1]),
        helper.make_node("Sub", [source, "top"], ["lowered"]),
        helper.make_node("Exp", ["lowered"], ["exp"]),
        helper.make_node("ReduceSum", ["exp"], ["sum"], axes=[1]),
        helper.make_node("Div", ["exp", "sum"], [target]),
    ]


def legacy_xml(
    *,
    version: str = "3.1.0",
    classes: Sequence[str] = ("Background", "Object"),
    colors: Sequence[tuple[int, int, int]] | None = _COLORS,
    labels: Sequence[int] | None = None,
    pixel_types: Sequence[str] = ("Gray8",),
    after_color_handling: str | None = None,
    **fields: Any,
) -> str:
    """XML of a `.czmodel`/`.czseg`; `fields` are elements by name, `...` leaves one out.

    `colors=None` leaves the colour attributes out, `labels` are the LabelValues (default 1, 2, ...).
    """
    texts: dict[str, Any] = {
        "Id": MODEL_ID,
        "ModelName": "Test network",
        "Status": "Trained",
        "FeatureExtractor": "DeepNeuralNetwork",
        "Postprocessing": "",
        "ColorHandling": "ConvertToMonochrome",
        "BorderSize": 4,
    }
    texts.update(fields)
    labels = range(1, len(classes) + 1) if labels is None else labels
    flag = "" if after_color_handling is None else f" IsAfterColorHandling={quoteattr(after_color_handling)}"
    channels = "".join(f"<Item PixelType={quoteattr(item)}/>" for item in pixel_types)
    items = "".join(
        f"<Item{_color(colors, i)} LabelValue={quoteattr(str(label))} Name={quoteattr(name)}/>"
        for i, (name, label) in enumerate(zip(classes, labels, strict=True))
    )
    body = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in texts.items() if v is not ...)
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\n<Model Version={quoteattr(version)}>{body}"
        f"<Channels{flag}>{channels}</Channels><TrainingClasses>{items}</TrainingClasses></Model>"
    )


def _color(colors: Sequence[tuple[int, int, int]] | None, index: int) -> str:
    if colors is None:
        return ""
    red, green, blue = colors[index % len(colors)]
    return f' colB="{blue}" colG="{green}" colR="{red}"'


def legacy_archive(
    path: Path,
    *,
    xml: str | bytes | None = None,
    network: bytes | None = None,
    extra: Any = None,
    **fields: Any,
) -> Path:
    """A `.czmodel`/`.czseg` at `path`: `xml` as given, or `legacy_xml(**fields)`; `extra` adds members."""
    xml = legacy_xml(**fields) if xml is None else xml
    members = {
        f"{MODEL_ID}.xml": xml.encode() if isinstance(xml, str) else xml,
        f"{MODEL_ID}.model": onnx_network() if network is None else network,
        f"modelid={MODEL_ID}": b"",
    }
    return zip_of(path, members | dict(extra or {}))


def czann_json(**fields: Any) -> str:
    """JSON of a `.czann`; `fields` are keys by name, `...` leaves one out (None writes null)."""
    values: dict[str, Any] = {
        "Id": MODEL_ID,
        "Type": "SingleClassSemanticSegmentation",
        "InputShape": [32, 32, 1],
        "OutputShape": [32, 32, 2],
        "MinOverlap": [8, 8],
        "Classes": ["Background", "Object"],
        "ModelName": "Test network",
    }
    values.update(fields)
    return json.dumps({k: v for k, v in values.items() if v is not ...})


def czann_archive(
    path: Path,
    *,
    text: str | bytes | None = None,
    network: bytes | None = None,
    extra: Any = None,
    **fields: Any,
) -> Path:
    """A `.czann` at `path`: JSON `text` as given, or `czann_json(**fields)`; `extra` adds members."""
    text = czann_json(**fields) if text is None else text
    members = {
        "model.json": text.encode() if isinstance(text, str) else text,
        "model.model": onnx_network() if network is None else network,
    }
    return zip_of(path, members | dict(extra or {}))


def saved_model(*, members: Mapping[str, bytes] | None = None) -> bytes:
    """A zipped SavedModel as czmodel packs it; the graph inside is a stub no runtime can load."""
    target = io.BytesIO()
    _write(target, members or {"saved_model.pb": b"\x08\x01", "variables/variables.index": b"\x00"})
    return target.getvalue()


def zip_of(
    path: Path, members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, deflate: bool = False
) -> Path:
    """A zip with exactly these members, stored unless `deflate`; pairs may repeat a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        _write(target, members, zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED)
    return path


def _write(target: Any, members: Any, compression: int = zipfile.ZIP_STORED) -> None:
    import warnings

    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(target, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names, which some tests want
        for name, data in pairs:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, compression)
