"""Archives made by the real ZEISS packages give the numbers their frameworks gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from czengine import ModelError, open_model, predict_array
from czengine.config import InputOptions, OutputOptions
from czengine.session.devices import CPU
from czengine.session.open import network_of, open_session
from tests.support.oracle import tiled_scores
from tests.support.shared import reference_names, shared_path

TOLERANCE = 1e-5


def load(name: str) -> tuple[Path, dict[str, NDArray[Any]]]:
    archive = shared_path(f"reference/{name}")
    with np.load(archive.with_suffix(".npz")) as arrays:
        return archive, dict(arrays)


def network_input(arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """What the network was shown; real files keep the picture instead, to be divided by 255."""
    pixels = arrays["x"] if "x" in arrays else arrays["img"] / 255
    return np.ascontiguousarray(pixels, np.float32)


def check(scores: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Compare (n, y, x, class) scores with all the file keeps of them."""
    if "y" in arrays:
        np.testing.assert_allclose(scores, arrays["y"], atol=TOLERANCE, rtol=0)
    else:
        np.testing.assert_allclose(scores[:, 256:512, 256:512], arrays["y_crop"], atol=TOLERANCE, rtol=0)
        np.testing.assert_array_equal(scores.argmax(-1).ravel(), arrays["argmax"].ravel())


@pytest.mark.parametrize("name", reference_names("ONNX"))
def test_the_session_gives_the_scores_of_the_framework(name: str) -> None:
    archive, arrays = load(name)
    model, x = open_model(archive), network_input(arrays)
    network = network_of(model.spec, model.network)
    session = open_session(network, tile=x.shape[1:3], batch=1, threads=2, device=CPU)
    check(np.concatenate([session.run(x[i : i + 1]) for i in range(len(x))]), arrays)


@pytest.mark.parametrize("name", reference_names("ONNX"))
def test_the_engine_gives_the_scores_of_the_framework(name: str) -> None:
    """From the picture as a microscope stores it: scaling and colour order are the engine's business."""
    archive, arrays = load(name)
    model = open_model(archive)
    image = arrays["x_rgb"] if "x_rgb" in arrays else arrays["img"]
    axes = "TYXS" if image.shape[-1] == 3 else "TYXC"
    scores = np.moveaxis(predict_array(model, image, axes=axes, output=OutputOptions(scores=True)), 0, -1)
    if image.shape[1:3] == model.spec.tile:
        check(scores, arrays)
    else:  # the reference was made at another tile size: the slow loop stands in for it
        x, tile, border = network_input(arrays), model.spec.tile, model.spec.border
        slow = [tiled_scores(model.network, plane, tile=tile, border=border) for plane in x]
        np.testing.assert_allclose(scores, slow, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", reference_names("ONNX"))
def test_channels_may_lie_anywhere(name: str) -> None:
    archive, arrays = load(name)
    model = open_model(archive)
    image = arrays["x_rgb"] if "x_rgb" in arrays else arrays["img"]
    options = OutputOptions(scores=True)
    last = predict_array(model, image[0], axes="YXC", output=options)
    first = predict_array(model, np.moveaxis(image[0], -1, 0), axes="CYX", output=options)
    np.testing.assert_array_equal(first, last)


@pytest.mark.parametrize("name", reference_names("ONNX"))
def test_a_float_picture_is_taken_as_it_is(name: str) -> None:
    archive, arrays = load(name)
    model = open_model(archive)
    x = network_input(arrays)
    # x has the network's own order already
    inputs = InputOptions(color_order="rgb" if model.spec.channels == 3 else "auto")
    scores = predict_array(model, x, axes="TYXC", inputs=inputs, output=OutputOptions(scores=True))
    image = arrays["x_rgb"] if "x_rgb" in arrays else arrays["img"]
    axes = "TYXS" if image.shape[-1] == 3 else "TYXC"
    np.testing.assert_allclose(
        scores, predict_array(model, image, axes=axes, output=OutputOptions(scores=True)), atol=TOLERANCE
    )


@pytest.mark.parametrize("name", reference_names("zipped-SavedModel"))
def test_saved_models_say_what_they_need(name: str) -> None:
    archive, arrays = load(name)
    with pytest.raises(ModelError, match="czengine convert MODEL NEW_MODEL"):
        predict_array(archive, arrays["img"], axes="TYXC")
