"""Which network goes into which session."""

from __future__ import annotations

import numpy as np

from czengine.errors import DeviceError, ModelError
from czengine.session.base import Network, Session
from czengine.session.devices import resolve
from czengine.spec import ModelSpec, Runtime


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
    network: Network, *, tile: tuple[int, int], batch: int, threads: int, device: str = "auto"
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
    device : str
        See `czengine.session.devices.resolve`. Where "auto" would rather run elsewhere but the network cannot, the CPU
        runs it and `Session.notes` says why.

    Raises
    ------
    OptionError
        Where `device` means nothing.
    MissingExtra
        Where the package of the device is not installed.
    DeviceError
        Where a device that was asked for is not there or cannot run the network.
    ModelError
        Where nothing can run the network.
    """
    from czengine.session.onnx import OnnxSession

    first, *others = resolve(device)
    try:
        return OnnxSession(network, tile=tile, batch=batch, threads=threads, device=first)
    except DeviceError as error:
        if not others:
            raise DeviceError(f"{error}; try --device cpu") from error
        note = f"{error}; the CPU runs it"
    return OnnxSession(network, tile=tile, batch=batch, threads=threads, device=others[0], notes=(note,))
