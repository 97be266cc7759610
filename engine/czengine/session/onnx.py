"""Networks in ONNX Runtime: options, thread counts, fixed shapes, and its errors in our words.

Only this module compiles with onnxruntime; what is special about OpenVINO is in `openvino`. It decides nothing about
tiles, layouts or labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.errors import CzEngineError, DeviceError, MissingExtra, ModelError
from czengine.graph.signature import parse_onnx
from czengine.session import openvino
from czengine.session.base import Network
from czengine.session.devices import Device
from czengine.spec import Layout

if TYPE_CHECKING:
    import onnxruntime

Shape = tuple[int, int, int, int]

_FATAL_ONLY = 4  # onnxruntime's severity scale: 3 = errors, which it raises as well


class OnnxSession:
    """One network on one device, compiled for one input shape.

    Parameters
    ----------
    network : Network
        What to compile.
    tile : (height, width)
        Spatial size of the input.
    batch : int
        Tiles per call.
    threads : int
        Cores one call may use.
    device : Device
        Where it runs, all of it: OpenVINO leaves nothing to onnxruntime.

    Raises
    ------
    MissingExtra
        Where onnxruntime or OpenVINO is not installed.
    ModelError
        Where onnxruntime refuses the network, or the network another input shape.
    DeviceError
        Where OpenVINO cannot run the network, or cannot run here; whether anything can, only the CPU tells.
    """

    def __init__(
        self,
        network: Network,
        *,
        tile: tuple[int, int],
        batch: int,
        threads: int,
        device: Device,
    ) -> None:
        self.network = network
        self.input_shape = _shape(network.layout, batch, tile, network.channels)
        self.device = device.describe(threads)
        model, self._input = _fixed(network.model, self.input_shape)
        self._session = _compile(model, device, threads)
        self._output_shape: tuple[int, ...] = _shape(network.output_layout, batch, tile, network.outputs)
        if network.gives == "labels":
            self._output_shape = (batch, *tile)

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Infer one batch; see `czengine.session.base.Session`."""
        from onnxruntime.capi import onnxruntime_pybind11_state as ort

        try:
            # No copy: the array keeps onnxruntime's memory alive, and the next call takes other memory.
            result = np.asarray(self._session.run(None, {self._input: batch})[0])
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
        if result.shape != self._output_shape:  # dynamic graphs tell only now
            raise self._wrong(result.shape)
        return result

    def _wrong(self, shape: tuple[int, ...]) -> ModelError:
        network = self.network
        batch, height, width = _without_channels(self.input_shape, network.layout)
        wanted = f"{network.outputs} outputs" if network.gives == "scores" else "one label"
        return ModelError(
            f"the network returned {network.gives} of shape {shape} for a batch of {batch} tiles, {height}×{width}"
            f" pixels each; it has to give {wanted} for every pixel of every tile"
        )


def _shape(layout: Layout, batch: int, tile: tuple[int, int], channels: int) -> Shape:
    return (batch, *tile, channels) if layout == "NHWC" else (batch, channels, *tile)


def _without_channels(shape: Shape, layout: Layout) -> tuple[int, int, int]:
    return shape[:3] if layout == "NHWC" else (shape[0], *shape[2:])


def _fixed(data: bytes, shape: Shape) -> tuple[bytes, str]:
    """The model with no size of its input left open, and the input's name.

    OpenVINO is up to twice as fast on fixed sizes; onnxruntime's own code is as fast as before.
    """
    model = parse_onnx(data)
    constants = {tensor.name for tensor in model.graph.initializer}
    source = next(value for value in model.graph.input if value.name not in constants)
    dims = source.type.tensor_type.shape.dim
    own = tuple(dim.dim_value or None for dim in dims)
    if len(own) != 4 or any(a not in (None, b) for a, b in zip(own, shape, strict=True)):
        raise ModelError(
            f"the network takes an input of {_words(own)}, not of {_words(shape)}; keep its own tile size and batch"
        )
    for dim, size in zip(dims, shape, strict=True):
        dim.dim_value = size
    return bytes(model.SerializeToString()), source.name


def _words(dims: tuple[int | None, ...]) -> str:
    return " × ".join(str(dim or "?") for dim in dims)


def _compile(model: bytes, device: Device, threads: int) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "onnxruntime is not installed; install it with: pip install 'czengine[cpu]'"
        ) from error
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    options, providers = _options(device, threads)
    try:
        # onnxruntime's fallback would print to stdout and try the same again
        return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=False)
    except (
        ort.EPFail,
        ort.Fail,
        ort.InvalidGraph,
        ort.InvalidProtobuf,
        ort.InvalidArgument,
        ort.NotImplemented,
        ort.RuntimeException,
        UnicodeDecodeError,  # it refuses a name that is no text, with a message that is none either
    ) as error:
        raise _refusal(error, device) from error


def _options(device: Device, threads: int) -> tuple[onnxruntime.SessionOptions, list[str] | None]:
    """Options, and the providers to name beside them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.inter_op_num_threads = 1
    if device.provider == "openvino":
        plugin = openvino.find(device.target)
        options.intra_op_num_threads = 1  # OpenVINO has threads of its own
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        options.add_provider_for_devices([plugin], openvino.settings(device.target, threads))
        return options, None
    options.intra_op_num_threads = threads
    # Waiting threads would keep cores busy that read, decode and write meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options, ["CPUExecutionProvider"]


def _refusal(error: Exception, device: Device) -> CzEngineError:
    if device.provider == "openvino":
        return DeviceError(f"{device.name} cannot run this network: {openvino.reason(error)}")
    return ModelError(f"onnxruntime refuses the network: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Onnxruntime's message without its status prefix and source locations, as one line."""
    if isinstance(error, UnicodeDecodeError):
        return "a name in it is not text"
    text = " ".join(str(error).split())
    return text.split(" : ", 3)[-1][:300]
