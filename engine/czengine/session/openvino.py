"""OpenVINO as a plugin of ONNX Runtime: registered once per process, asked for its devices, told to be exact.

Only this module knows the plugin: its options, what it calls its devices, and how its errors read. Which device a run
takes is decided in `devices`; nothing is compiled here.
"""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from czengine.errors import DeviceError, MissingExtra

if TYPE_CHECKING:
    import onnxruntime

# Left alone it computes in bfloat16 on processors that can; scores then differ by up to 1.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
# What onnxruntime says where OpenVINO leaves operators over.
_NOT_ALL = "fallback to CPU EP has been explicitly disabled"
_FAILED = "Conversion is failed for: "
_WHERE_IT_HAPPENED = ("Exception from ", "Check '")
_lock = threading.Lock()


def installed() -> bool:
    """Whether the plugin's package is there; nothing of OpenVINO is loaded to tell."""
    try:
        import onnxruntime_ep_openvino  # noqa: F401
    except ImportError:
        return False
    return True


def find(target: str) -> Any:
    """The `OrtEpDevice` that OpenVINO calls `target`: "CPU", "GPU", or "GPU.1" for the second of several.

    Raises
    ------
    MissingExtra
        Where the plugin is not installed.
    DeviceError
        Where it cannot be loaded, or has no such device.
    """
    with _lock:
        devices = _devices()
    for name, device in devices.items():
        if target in (name, name.partition(".")[0]):
            return device
    raise DeviceError(
        f"OpenVINO finds no device {target} on this machine; it finds {', '.join(devices) or 'none'},"
        " and --device cpu does without it"
    )


def settings(target: str, threads: int) -> dict[str, str]:
    """The plugin's options: float32, one call at a time, and no more threads than a call may use."""
    exact = dict(_EXACT)
    if target == "CPU":
        exact |= {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": "1"}
    return {"load_config": json.dumps({target.partition(".")[0]: exact})}


def reason(error: Exception) -> str:
    """What stops OpenVINO, in one line, out of a message of many."""
    text = str(error).split(" : ", 3)[-1]
    if _NOT_ALL in text:
        return "it does not know all of its operators"
    lines = [line.strip(" -") for line in text.splitlines()]
    failed = next((line for line in lines if line.startswith(_FAILED)), None)
    if failed is not None:
        return f"it cannot convert {failed.removeprefix(_FAILED)}"
    return next((line for line in lines if line and not line.startswith(_WHERE_IT_HAPPENED)), text)[:300]


@lru_cache(maxsize=1)
def _devices() -> dict[str, Any]:
    """Name to device; registers the plugin unless the program around us has done so."""
    try:
        import onnxruntime
        import onnxruntime_ep_openvino as plugin
    except ImportError as error:
        raise MissingExtra(
            "OpenVINO is not installed; install it with: pip install 'czengine[openvino]'"
        ) from error
    if not hasattr(onnxruntime, "get_ep_devices"):
        raise DeviceError(
            f"onnxruntime {onnxruntime.__version__} takes no plugins, and OpenVINO is one; update it with:"
            " pip install --upgrade 'czengine[openvino]'"
        )
    found = _registered(onnxruntime, plugin.get_ep_name())
    if not found:
        _register(onnxruntime, plugin)
        found = _registered(onnxruntime, plugin.get_ep_name())
    return found


def _registered(runtime: onnxruntime, name: str) -> dict[str, Any]:
    devices = (device for device in runtime.get_ep_devices() if device.ep_name == name)
    return {device.ep_metadata.get("ov_device", "CPU"): device for device in devices}


def _register(runtime: onnxruntime, plugin: Any) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    try:
        runtime.register_execution_provider_library("openvino", plugin.get_library_path())
    except (ort.Fail, ort.InvalidArgument, ort.RuntimeException, OSError) as error:
        raise DeviceError(
            f"OpenVINO cannot be loaded ({_one_line(error)}); install it again with:"
            " pip install --force-reinstall 'czengine[openvino]'"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).split(" : ", 3)[-1][:300]
