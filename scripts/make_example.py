"""Makes the example that ships with czengine: a small image of nuclei and a model that segments it.

    python scripts/make_example.py [FOLDER]

writes `nuclei.ome.zarr` and `nuclei.czann` into FOLDER (default: `engine/czengine/example`), the same bytes
each time. Nothing is trained and nothing is downloaded: the picture is drawn here, and the weights of the
network are set by hand. Only this script knows where the nuclei really are (`draw_nuclei`): the tests ask it.
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

EXAMPLE = Path(__file__).resolve().parents[1] / "engine" / "czengine" / "example"

HEIGHT, WIDTH = 480, 640
PIXEL_SIZE = 0.325  # micrometres, a 20x objective
NUCLEI = 64
GRAY_STEP = 64  # the camera's gray levels: coarse, so that the committed file stays small
LEVELS = 3

TILE = 256
BORDER = 40  # at least the receptive-field radius: 3 (smooth) + 32 (surround) + 2 (head)
CLASSES = ("Background", "Nucleus", "Nucleus border")
MODEL_ID = "5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21"
MODEL_NAME = "Nuclei (difference of Gaussians)"


# The image --------------------------------------------------------------------------------------------------


def draw_nuclei() -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Draw a fluorescence picture of nuclei, some of them touching.

    Returns
    -------
    image : ndarray of uint16
        (y, x), `HEIGHT` × `WIDTH`.
    truth : ndarray of bool
        (y, x), True inside a nucleus.
    """
    random = np.random.RandomState(7)  # this generator's stream is frozen: the same in every NumPy
    light = np.zeros((HEIGHT, WIDTH))
    truth = np.zeros((HEIGHT, WIDTH), dtype=bool)
    texture = _texture(random)
    for y, x in _centers(random):
        distance = _ellipse(random, y, x)
        brightness = random.uniform(4500, 9500)
        dome = brightness * (0.4 + 0.6 * np.sqrt(np.clip(1 - distance, 0, 1))) * (1 + 0.16 * texture)
        light = np.where(distance < 1, np.maximum(light, dome), light)
        truth |= distance < 1
    photons = _blur(light, 1.3) + _background()
    noise = random.standard_normal(photons.shape) * (0.5 * GRAY_STEP + 0.008 * photons)
    return _quantised(photons + noise), truth


def _quantised(light: NDArray[np.float64]) -> NDArray[np.uint16]:
    """The camera's counts: the nearest multiples of `GRAY_STEP`."""
    levels = np.rint(light / GRAY_STEP).clip(0, 65535 // GRAY_STEP)
    return (levels * GRAY_STEP).astype(np.uint16)


def _centers(random: np.random.RandomState) -> list[tuple[float, float]]:
    """Places of the nuclei, none closer than touching; about one in four is put beside another."""
    centers: list[tuple[float, float]] = []
    while len(centers) < NUCLEI:
        if centers and random.uniform() < 0.25:
            angle, reach = random.uniform(0, 2 * np.pi), random.uniform(29, 34)
            y, x = centers[-1][0] + reach * np.sin(angle), centers[-1][1] + reach * np.cos(angle)
        else:
            y, x = random.uniform(0, HEIGHT), random.uniform(0, WIDTH)
        inside = -4 < y < HEIGHT + 4 and -4 < x < WIDTH + 4
        if inside and all(np.hypot(y - b, x - a) > 29 for b, a in centers):
            centers.append((y, x))
    return centers


def _ellipse(random: np.random.RandomState, y: float, x: float) -> NDArray[np.float64]:
    """Squared distance from (y, x) in a randomly turned, slightly bent ellipse: below 1 inside."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    angle, long, ratio = random.uniform(0, np.pi), random.uniform(13, 19), random.uniform(0.68, 0.95)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
    bend = random.uniform(-0.008, 0.008) * along**2
    return np.asarray((along / long) ** 2 + ((across + bend) / (long * ratio)) ** 2)


def _texture(random: np.random.RandomState) -> NDArray[np.float64]:
    """Chromatin: smooth noise of standard deviation 1."""
    grain = _blur(random.standard_normal((HEIGHT, WIDTH)), 2.2)
    return np.asarray(grain / grain.std())


def _background() -> NDArray[np.float64]:
    """Light between the nuclei: brighter towards the lower left."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(200 + 250 * (rows / HEIGHT) * (1 - columns / WIDTH))


def _gaussian(sigma: float, radius: int) -> NDArray[np.float64]:
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(bell / bell.sum())


def _blur(picture: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian blur with mirrored edges."""
    radius = int(np.ceil(3 * sigma))
    padded = np.pad(picture, radius, mode="reflect")
    bell = _gaussian(sigma, radius)
    rows = sum(w * padded[i : i + HEIGHT] for i, w in enumerate(bell))
    return np.asarray(sum(w * rows[:, i : i + WIDTH] for i, w in enumerate(bell)))


def write_image(path: Path) -> None:
    """Write the picture as an OME-Zarr 0.5 image, axes CYX, with its pyramid."""
    import zarr
    from zarr.codecs import ZstdCodec

    level = draw_nuclei()[0][np.newaxis]
    attributes: dict[str, Any] = {"ome": _ome_metadata(int(level.max()))}
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=attributes)
    for name in range(LEVELS):
        array = group.create_array(
            str(name),
            shape=level.shape,
            dtype=level.dtype,
            chunks=(1, 256, 256),
            compressors=ZstdCodec(level=19),
            dimension_names=("c", "y", "x"),
        )
        array[:] = level
        level = _halved(level)


def _halved(level: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Mean of each 2 × 2 pixels, as coarse as the camera's gray levels."""
    channels, height, width = level.shape
    quads = level.reshape(channels, height // 2, 2, width // 2, 2)
    return _quantised(quads.mean(axis=(2, 4)))


def _ome_metadata(brightest: int) -> dict[str, Any]:
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in ("y", "x")]
    window = {"min": 0, "max": 65535, "start": 0, "end": brightest}
    channel = {"label": "DAPI", "color": "FFFFFF", "active": True, "window": window}
    scales = [[1.0, PIXEL_SIZE * 2**k, PIXEL_SIZE * 2**k] for k in range(LEVELS)]
    datasets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for k, scale in enumerate(scales)
    ]
    multiscale = {"name": "nuclei", "axes": axes, "datasets": datasets}
    return {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": [channel]}}


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
    smooth = _gaussian(1.2, 3)
    near, far = np.pad(_gaussian(4.0, 12), 20), _gaussian(16.0, 32)
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
        "Scaling": [PIXEL_SIZE * 1e-6, PIXEL_SIZE * 1e-6],
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
    write_image(folder / "nuclei.ome.zarr")
    write_model(folder / "nuclei.czann")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE)
