"""Which session runs a model."""

from __future__ import annotations

from czengine.config import RunOptions
from czengine.errors import ModelError
from czengine.session.base import Session
from czengine.session.devices import available_cores
from czengine.spec import ModelSpec, Runtime


def open_session(spec: ModelSpec, network: bytes, options: RunOptions) -> Session:
    """Compile a model once, for the whole run.

    Raises
    ------
    ModelError
        Where no backend of this version can run the network.
    MissingExtra
        Where the package of the backend is not installed.
    """
    if spec.runtime is Runtime.SAVEDMODEL:
        raise ModelError(
            f"model {spec.name!r} holds a TensorFlow SavedModel and needs the TensorFlow backend, "
            f"which this version does not have yet; export the model again with ONNX inside"
        )
    from czengine.session.onnx import OnnxSession

    threads = options.threads or available_cores()
    return OnnxSession(spec, network, tile=spec.tile, batch=options.batch, threads=threads)
