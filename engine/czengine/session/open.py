"""Which session runs a model."""

from __future__ import annotations

from czengine.errors import ModelError
from czengine.session.base import Session
from czengine.spec import ModelSpec, Runtime


def open_session(spec: ModelSpec, network: bytes, *, batch: int, threads: int) -> Session:
    """Compile a model once, for the whole run: `batch` tiles per call on up to `threads` cores.

    Raises
    ------
    ModelError
        Where no backend of this version can run the network.
    MissingExtra
        Where the package of the backend is not installed.
    """
    if spec.runtime is Runtime.SAVEDMODEL:
        raise ModelError(
            f"model {spec.name!r} holds a TensorFlow SavedModel, which this version cannot run yet; put ONNX inside:"
            " pip install 'czengine[converter]', then czengine convert MODEL NEW_MODEL"
        )
    from czengine.session.onnx import OnnxSession

    return OnnxSession(spec, network, tile=spec.tile, batch=batch, threads=threads)
