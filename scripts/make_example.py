"""Makes the example that ships with czengine: a small image of nuclei and a model that segments it.

    python scripts/make_example.py [FOLDER]

writes `nuclei.ome.zarr` and `nuclei.czann` into FOLDER (default: `engine/czengine/example`), the same bytes
each time. Nothing is trained and nothing is downloaded: the picture is drawn (by `czengine.example.drawing`), and the
weights of the network are set by hand. Where the nuclei really are, `draw_nuclei` knows: the tests ask it.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.example import drawing
from czengine.example.drawing import gaussian

EXAMPLE = Path(__file__).resolve().parents[1] / "engine" / "czengine" / "example"

HEIGHT, WIDTH = 480, 640
NUCLEI = 64

TILE = 256
BORDER = 40  # at least the receptive-field radius: 3 (smooth) + 32 (surround) + 2 (head)
CLASSES = ("Background", "Nucleus", "Nucleus border")
MODEL_ID = "5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21"
MODEL_NAME = "Nuclei (difference of Gaussians)"


# The image --------------------------------------------------------------------------------------------------


def draw_nuclei() -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """The picture of the example, and where its nuclei are.

    Returns
    -------
    image : ndarray of uint16
        (y, x), `HEIGHT` × `WIDTH`.
    truth : ndarray of bool
        (y, x), True inside a nucleus.
    """
    image, numbers = drawing.draw_nuclei(HEIGHT, WIDTH, nuclei=NUCLEI, seed=7)
    return image, numbers > 0


# The model --------------------------------------------------------------------------------------------------


def network() -> bytes:
    """ONNX bytes of the network: (batch, 256, 256, 1) in [0..1] to (batch, 256, 256, 3) class probabilities.

    `contrast` is how much brighter the smoothed picture is than its near and its far surround, all Gaussians.
    Two ramps of it, 0 outside a nucleus and rising inside, differ by 1 where the picture is safely bright:
    that difference is `inside`. The head then calls the outer two pixels of what is inside the border.
    """
    from onnx import TensorProto, checker, helper

    nodes = [
        helper.make_node("Transpose", ["input"], ["picture"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["picture", "smooth"], ["center"], pads=[3, 3, 3, 3]),
        helper.make_node("Conv", ["center", "rows"], ["half_blurred"], pads=[32, 0, 32, 0]),
        helper.make_node("Conv", ["half_blurred", "columns"], ["surround"], pads=[0, 32, 0, 32], group=2),
        helper.make_node("Concat", ["center", "surround"], ["all_three"], axis=1),
        helper.make_node("Conv", ["all_three", "contrast", "contrast_bias"], ["contrasts"]),
        helper.make_node("Relu", ["contrasts"], ["ramps"]),
        helper.make_node("Conv", ["ramps", "head", "head_bias"], ["logits"], pads=[2, 2, 2, 2]),
        helper.make_node("Transpose", ["logits"], ["logits_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Softmax", ["logits_last"], ["output"], axis=3),
    ]
    graph = helper.make_graph(
        nodes,
        "nuclei",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", TILE, TILE, 1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", TILE, TILE, len(CLASSES)])],
        [_initializer(name, value) for name, value in _weights().items()],
    )
    model = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 12)])
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _weights() -> dict[str, NDArray[np.float64]]:
    smooth = gaussian(1.2, 3)
    near, far = np.pad(gaussian(4.0, 12), 20), gaussian(16.0, 32)
    gain, threshold = 400.0, 0.008  # 0.008 of the uint16 range: 524 counts
    return {
        "smooth": np.outer(smooth, smooth).reshape(1, 1, 7, 7),
        "rows": np.stack([near, far]).reshape(2, 1, 65, 1),
        "columns": np.stack([near, far]).reshape(2, 1, 1, 65),
        "contrast": gain * np.tile([2.0, -1.0, -1.0], 2).reshape(2, 3, 1, 1),
        "contrast_bias": np.array([0.0, -1.0]) - gain * threshold,
        "head": _head_weights(),
        "head_bias": np.array([10.0, -10.0 - 13.0, -10.0 + 13.0]),
    }


def _head_weights() -> NDArray[np.float64]:
    """Weights (class, ramp, 5, 5): `inside` is ramp 0 - ramp 1 in the middle, `cover` its mean over 5 × 5.

    Background wins where `inside` is low; of the other two, nucleus wins where `cover` is above 13/16.
    """
    inside = np.zeros((2, 5, 5))
    inside[:, 2, 2] = 1, -1
    cover = np.ones((2, 5, 5)) / 25 * np.array([1, -1]).reshape(2, 1, 1)
    return np.stack([-20 * inside, 20 * inside + 16 * cover, 20 * inside - 16 * cover])


def _initializer(name: str, value: NDArray[np.float64]) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(value.astype(np.float32), name)


def metadata() -> dict[str, Any]:
    """What `model.json` of the archive says."""
    return {
        "FormatVersion": "2.1.0",
        "Id": MODEL_ID,
        "Type": "SingleClassSemanticSegmentation",
        "InputShape": [TILE, TILE, 1],
        "OutputShape": [TILE, TILE, len(CLASSES)],
        "MinOverlap": [2 * BORDER, 2 * BORDER],
        "Classes": list(CLASSES),
        "ModelName": MODEL_NAME,
        "Scaling": [drawing.PIXEL_SIZE * 1e-6] * 2,
    }


def write_model(path: Path) -> None:
    """Write the `.czann` archive; its members carry a fixed date, so that its bytes are always the same."""
    members = {"model.json": json.dumps(metadata()).encode(), "model.model": network()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    path.write_bytes(buffer.getvalue())


def main(folder: Path) -> None:
    """Write both files of the example into `folder`, replacing what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "nuclei.ome.zarr", ignore_errors=True)
    drawing.write_image(folder / "nuclei.ome.zarr", draw_nuclei()[0], compression=19)
    write_model(folder / "nuclei.czann")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE)
