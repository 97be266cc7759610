"""Networks as they are and as they are rewritten, to the same result: with onnxruntime and the slow kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.graph.signature import read_signature
from czengine.kernels.reference import ReferenceKernels
from czengine.spec import Task

ENOUGH = 1e-6  # scores that differ by more than this have to give the same labels

_KERNELS = ReferenceKernels()


def run(model: ModelProto, pixels: NDArray[Any]) -> NDArray[Any]:
    """The output for an input in the network's own layout."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(pixels)})[0])


def scores_of(model: ModelProto, pixels: NDArray[Any], divisor: float = 1.0) -> NDArray[Any]:
    """Scores (n, y, x, class) of pixels (n, y, x, channel), by the network as it is."""
    signature = read_signature(model)
    found = run(model, _laid_out(_divided(pixels, divisor), signature.layout))
    return found if signature.output_layout == "NHWC" else found.transpose(0, 2, 3, 1)


def result_of(fused: Fused, purpose: Purpose, pixels: NDArray[Any], labels: tuple[int, ...]) -> NDArray[Any]:
    """What comes of pixels (n, y, x, channel): labels (n, y, x), one plane per class (n, y, x, class), or scores."""
    divided = _divided(pixels, fused.divisor) if fused.dtype == "float32" else pixels
    assert divided.dtype == fused.dtype
    found = run(fused.model, _laid_out(divided, fused.layout))
    if fused.gives == "labels":
        return found
    scores = found if fused.output_layout == "NHWC" else found.transpose(0, 2, 3, 1)
    return made_of(scores, purpose.task, fused.confidence, labels)


def made_of(
    scores: NDArray[Any], task: Task, confidence: float | None, labels: tuple[int, ...]
) -> NDArray[Any]:
    """Labels by the slow kernels, or the scores."""
    if task is Task.SEGMENTATION:
        out = np.zeros(scores.shape[:3], np.uint16 if max(labels) > 255 else np.uint8)
        lowest = -np.inf if confidence is None else confidence
        for picture, place in zip(scores, out, strict=True):
            _KERNELS.argmax(picture, np.array(labels, out.dtype), lowest, place)
        return out
    if task is Task.MULTILABEL and confidence is not None:
        planes = np.zeros((len(scores), scores.shape[3], *scores.shape[1:3]), np.uint8)
        for picture, place in zip(scores, planes, strict=True):
            _KERNELS.threshold(picture, confidence, place)
        return planes.transpose(0, 2, 3, 1)
    return scores


def sure_of(scores: NDArray[Any], purpose: Purpose) -> NDArray[np.bool_]:
    """Where labels have to be the same."""
    if purpose.task is Task.MULTILABEL and purpose.confidence is not None:
        far: NDArray[np.bool_] = np.abs(scores - purpose.confidence) > ENOUGH
        return far
    if purpose.task is Task.REGRESSION:
        return np.ones(scores.shape, np.bool_)
    best = np.sort(scores, axis=-1)
    return np.asarray(best[..., -1] - best[..., -2] > ENOUGH)


def check(model: ModelProto, purpose: Purpose, pixels: NDArray[Any]) -> Fused:
    """Rewrite a network, and see that the result is that of the network as it is, and the network left alone."""
    before = model.SerializeToString(deterministic=True)
    fused = fuse(model, purpose)
    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(fused.model, full_check=True)
    scores = scores_of(model, pixels, purpose.divisor)
    labels = purpose.labels or tuple(range(1, scores.shape[3] + 1))
    expected = made_of(scores, purpose.task, purpose.confidence, labels)
    found = result_of(fused, purpose, pixels, labels)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    sure = sure_of(scores, purpose)
    np.testing.assert_array_equal(found[sure], expected[sure])
    if purpose.task is not Task.REGRESSION:
        assert sure.mean() > 0.5  # or else nothing was compared
    return fused


def _divided(pixels: NDArray[Any], divisor: float) -> NDArray[np.float32]:
    return np.asarray((pixels.astype(np.float64) / divisor).astype(np.float32))


def _laid_out(pixels: NDArray[Any], layout: str) -> NDArray[Any]:
    return pixels if layout == "NHWC" else pixels.transpose(0, 3, 1, 2)
