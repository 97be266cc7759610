"""Networks in ONNX Runtime: options, thread counts, fixed shapes, and its errors in our words.

Only this module knows onnxruntime. It decides nothing about tiles, layouts or labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.errors import DeviceError, MissingExtra, ModelError
from czengine.spec import Layout, ModelSpec

if TYPE_CHECKING:
    import onnxruntime

_FATAL_ONLY = 4  # onnxruntime's severity scale: 3 = errors, which it raises as well


class OnnxSession:
    """One network on the CPU, compiled for one input shape.

    Parameters
    ----------
    spec : ModelSpec
        Says layout, tile and channels.
    network : bytes
        The ONNX model.
    tile : (height, width)
        Spatial size of the input.
    batch : int
        Tiles per call.
    threads : int
        Cores one call may use.

    Raises
    ------
    MissingExtra
        Where onnxruntime is not installed.
    ModelError
        Where onnxruntime refuses the network.
    """

    def __init__(
        self, spec: ModelSpec, network: bytes, *, tile: tuple[int, int], batch: int, threads: int
    ) -> None:
        self.input_layout: Layout = spec.layout
        self.output_layout: Layout = spec.output_layout
        self._outputs = spec.outputs
        height, width = tile
        self.input_shape = (
            (batch, height, width, spec.channels)
            if spec.layout == "NHWC"
            else (batch, spec.channels, height, width)
        )
        self.device = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        self._session = _compile(network, threads)
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        """Infer one batch; see `czengine.session.base.Session`."""
        from onnxruntime.capi import onnxruntime_pybind11_state as ort

        try:
            scores = np.asarray(self._session.run(None, {self._input: batch})[0])
        except (
            ort.Fail,
            ort.RuntimeException,
            ort.InvalidArgument,
            ort.EPFail,
            UnicodeDecodeError,
        ) as error:
            raise DeviceError(
                f"onnxruntime failed on a batch of shape {batch.shape}: {_reason(error)}"
            ) from error
        self._check(scores.shape)
        return scores

    def _check(self, shape: tuple[int, ...]) -> None:
        """Dynamic graphs tell their output size only now."""
        batch, height, width = _without_channels(self.input_shape, self.input_layout)
        if len(shape) == 4 and _without_channels(shape, self.output_layout) == (batch, height, width):
            channels = shape[3] if self.output_layout == "NHWC" else shape[1]
            if channels == self._outputs:
                return
        raise ModelError(
            f"the network returned scores of shape {shape} for a batch of {batch} tiles, {height}×{width} pixels "
            f"each; it has to give {self._outputs} outputs for every pixel of every tile"
        )


def _without_channels(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    return shape[:3] if layout == "NHWC" else (shape[0], *shape[2:])


def _compile(network: bytes, threads: int) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "onnxruntime is not installed; install it with: pip install 'czengine[cpu]'"
        ) from error
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        # onnxruntime's fallback would print to stdout and try the same again
        return onnxruntime.InferenceSession(
            network, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except (
        ort.Fail,
        ort.InvalidGraph,
        ort.InvalidProtobuf,
        ort.InvalidArgument,
        ort.NotImplemented,
        UnicodeDecodeError,  # it refuses a name that is no text, with a message that is none either
    ) as error:
        raise ModelError(f"onnxruntime refuses the network: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Onnxruntime's message without its status prefix and source locations, as one line."""
    if isinstance(error, UnicodeDecodeError):
        return "a name in it is not text"
    text = " ".join(str(error).split())
    return text.split(" : ", 3)[-1][:300]
