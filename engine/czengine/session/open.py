"""Which network goes into which session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from czengine.errors import DeviceError, ModelError
from czengine.session.base import Network, Session
from czengine.session.devices import Device, resolve
from czengine.spec import ModelSpec, Runtime

Opened = TypeVar("Opened")


def network_of(spec: ModelSpec, model: bytes) -> Network:
    """The network as the archive has it: float32 in, scores out.

    Raises
    ------
    ModelError
        Where no backend of this version can run it.
    """
    if spec.runtime is Runtime.SAVEDMODEL:
        raise ModelError(
            f"model {spec.name!r} holds a TensorFlow SavedModel, which this version cannot run yet; put ONNX inside:"
            " pip install 'czengine[converter]', then czengine convert MODEL NEW_MODEL"
        )
    return Network(
        model=model,
        layout=spec.layout,
        output_layout=spec.output_layout,
        channels=spec.channels,
        outputs=spec.outputs,
        dtype=np.dtype(np.float32),
        gives="scores",
    )


def open_session(
    network: Network, *, tile: tuple[int, int], batch: int, threads: int, device: Device
) -> Session:
    """Compile a network once, for the whole run.

    Parameters
    ----------
    network : Network
        What to compile.
    tile : (height, width)
        Pixels of one input.
    batch : int
        Tiles per call.
    threads : int
        Cores one call may use.
    device : Device
        Where; see `czengine.session.devices.resolve`.

    Raises
    ------
    MissingExtra
        Where the package of the device is not installed.
    DeviceError
        Where the device is not there or cannot run the network.
    ModelError
        Where nothing can run the network.
    """
    from czengine.session.onnx import OnnxSession

    return OnnxSession(network, tile=tile, batch=batch, threads=threads, device=device)


def on_first(device: str, attempt: Callable[[Device], Opened]) -> tuple[Opened, tuple[str, ...]]:
    """Try what a word for devices stands for, best first.

    Parameters
    ----------
    device : str
        See `czengine.session.devices.resolve`.
    attempt : callable
        Opens something on a device; raises DeviceError where that cannot be.

    Returns
    -------
    (what was opened, tuple of str)
        Notes say why a better device was not taken.

    Raises
    ------
    OptionError
        Where `device` means nothing.
    MissingExtra, DeviceError
        Where the device that was asked for is not there or refuses; what else `attempt` raises.
    """
    first, *others = resolve(device)
    try:
        return attempt(first), ()
    except DeviceError as error:
        if not others:
            raise DeviceError(f"{error}; try --device cpu") from error
        note = f"{error}; the CPU runs it"
    return attempt(others[0]), (note,)
