"""Runs an ONNX model in onnxruntime: for trials, and as the reference that an archive is compared with.

Knows nothing of layouts or archives. Only this module of the converter knows onnxruntime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from czconverter import frameworks
from czconverter.graphs.layout import float_ends
from czconverter.graphs.serializing import serialized
from czconverter.reasons import shortened
from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

_FATAL_ONLY = 4  # onnxruntime's severity scale: 3 = errors, which it raises as well
_OPEN = 64  # pixels tried where a size is open
_ROUNDING = 1e-5  # relative to the scores
_DTYPES: dict[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
}


class OnnxRunner:
    """A network of one input and one output, compiled for the CPU.

    Parameters
    ----------
    model : ModelProto
        In any layout; ends of float16, float32, float64, uint8 or uint16.

    Raises
    ------
    MissingExtra
        Where onnxruntime is not installed.
    ModelError
        Where onnxruntime refuses the network, or it has more than 2 GB.
    """

    def __init__(self, model: ModelProto) -> None:
        self._session = _compile(float_ends(model) if _has_bfloat16(model) else model)
        source = self._session.get_inputs()[0]
        self._name = source.name
        self._dtype = _DTYPES[source.type]

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of a batch in the network's own layout, which is cast to the network's own type.

        Raises
        ------
        ModelError
            Where the network cannot be run on an input of this shape.
        """
        whole = np.issubdtype(self._dtype, np.integer)
        feed = np.ascontiguousarray(np.rint(batch) if whole else batch, dtype=self._dtype)
        try:
            scores = self._session.run(None, {self._name: feed})[0]
        except Exception as error:  # onnxruntime raises a dozen classes without a common base
            raise ModelError(
                f"the network does not run on an input of shape {feed.shape}: {_reason(error)}"
            ) from error
        return np.asarray(scores, dtype=np.float32)


def alike(one: ModelProto, other: ModelProto) -> bool:
    """Whether two networks with the same input give the same scores for a picture of noise, up to rounding.

    Raises
    ------
    MissingExtra
        Where onnxruntime is not installed.
    ModelError
        Where one of them does not run.
    """
    dims = one.graph.input[0].type.tensor_type.shape.dim
    first, *rest = (dim.dim_value for dim in dims)
    shape = (first or 1, *(length or _OPEN for length in rest))
    picture = np.random.default_rng(0).random(shape)
    expected, found = OnnxRunner(one).run(picture), OnnxRunner(other).run(picture)
    allowed = _ROUNDING * max(float(np.ptp(expected)), float(np.abs(expected).max()))
    return expected.shape == found.shape and bool((np.abs(expected - found) <= allowed).all())


def _has_bfloat16(model: ModelProto) -> bool:
    """NumPy has no such type, so that only the graph can cast to it."""
    from onnx import TensorProto

    ends = (model.graph.input[0], model.graph.output[0])
    return any(value.type.tensor_type.elem_type == TensorProto.BFLOAT16 for value in ends)


def _compile(model: ModelProto) -> Any:
    onnxruntime = frameworks.load("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    data = serialized(model)
    try:
        return onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:  # as above
        raise ModelError(f"onnxruntime refuses the network: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Onnxruntime's whole message, in which the first line may say nothing, without its status prefix."""
    return shortened(" ".join(str(error).split()).split(" : ", 3)[-1])
