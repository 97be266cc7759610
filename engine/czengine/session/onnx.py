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

_ERRORS_ONLY = 3  # onnxruntime's severity scale: 2 = warnings, 3 = errors


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
        Tiles per call; a network that insists on a batch size gets its own.
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
        batch = spec.fixed_batch or batch
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
        except (ort.Fail, ort.RuntimeException, ort.InvalidArgument, ort.EPFail) as error:
            raise DeviceError(
                f"onnxruntime failed on a batch of shape {batch.shape}: {_reason(error)}"
            ) from error
        self._check(scores.shape)
        return scores

    def _check(self, shape: tuple[int, ...]) -> None:
        """Dynamic graphs tell their output size only now."""
        if len(shape) != 4 or _plane(shape, self.output_layout) != _plane(
            self.input_shape, self.input_layout
        ):
            height, width = _plane(self.input_shape, self.input_layout)
            raise ModelError(
                f"the network returned scores of shape {shape} for tiles of {height}×{width} pixels; "
                f"only networks with one output per input pixel can be run"
            )


def _plane(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    return shape[1:3] if layout == "NHWC" else shape[2:4]


def _compile(network: bytes, threads: int) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "onnxruntime is not installed; install it with: pip install 'czengine[cpu]'"
        ) from error
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except (
        ort.Fail,
        ort.InvalidGraph,
        ort.InvalidProtobuf,
        ort.InvalidArgument,
        ort.NotImplemented,
    ) as error:
        raise ModelError(f"onnxruntime refuses the network: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Onnxruntime's message without its status prefix and source locations, as one line."""
    text = " ".join(str(error).split())
    return text.split(" : ", 3)[-1][:300]
