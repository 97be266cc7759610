"""SavedModel folders: of Keras 2, of Keras 3's `export`, of `tf.saved_model.save`, and of TensorFlow 1.

A SavedModel is a set of finished graphs: it is called through one of its signatures, and keeps the sizes that were
open or fixed when it was saved. Keras' own description in it is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from czconverter import frameworks
from czconverter.loaders.freeze import Dims
from czconverter.loaders.reasons import reason
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czengine.archive import read_members
from czengine.errors import ModelError

_SERVING = "serving_default"
_BOUND = "a SavedModel keeps the size it was saved with (convert the Keras model it was made from instead)"


def load_saved_model(folder: Path) -> TensorFlowNetwork:
    """The network of a SavedModel folder: signature "serving_default", else the only one, else the only function.

    Raises
    ------
    ModelError
        Where there is none that takes one picture and gives one, or TensorFlow cannot load it.
    """
    folder = Path(folder)
    if not (folder / "saved_model.pb").is_file():
        raise ModelError(f"{folder} is no SavedModel: it has no saved_model.pb; name the folder that has one")
    tf = frameworks.load("tensorflow")
    try:
        with frameworks.quiet():
            loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow's, protobuf's and Python's errors, by what is damaged
        raise ModelError(
            f"{folder} cannot be loaded as a SavedModel: {reason(error)}; save it again"
        ) from error
    try:
        return _network(loaded, _chosen(loaded))
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error


def load_saved_model_zip(data: bytes, folder: Path) -> TensorFlowNetwork:
    """The network of a zipped SavedModel, as archives hold it; it is unpacked into `folder` and stays there.

    Raises
    ------
    ArchiveError
        Where the zip is damaged, breaks a limit, or has members that point outside.
    ModelError
        As `load_saved_model`.
    """
    for name, content in read_members(data, what="the zipped SavedModel").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return load_saved_model(folder)


def _chosen(loaded: Any) -> Any:
    signatures = dict(loaded.signatures)
    if _SERVING in signatures:
        return signatures[_SERVING]
    candidates = list(signatures.values()) or list(_functions(loaded))
    if len(candidates) == 1:
        return candidates[0]
    names = f" ({', '.join(map(repr, sorted(signatures)))})" if signatures else ""
    raise ModelError(
        f"the SavedModel has {len(candidates)} functions{names} and none is called {_SERVING!r}; save it with"
        " tf.saved_model.save(model, folder, signatures=function)"
    )


def _functions(loaded: Any) -> Iterator[Any]:
    """Functions that were saved without a signature: traced ones, for one tensor."""
    for name in dir(loaded):
        function = getattr(loaded, name, None)
        for concrete in getattr(function, "concrete_functions", ()):
            if len(_inputs(concrete)) == 1:
                yield concrete


def _network(loaded: Any, function: Any) -> TensorFlowNetwork:
    spec = _only(_inputs(function), "inputs")
    _only(_outputs(function), "outputs")
    dims = _dims(spec)
    return TensorFlowNetwork(
        call=_caller(loaded, function, spec),
        kind="SavedModel",
        framework=frameworks.versions("tensorflow"),
        channels=dims[3],
        size=(dims[1], dims[2]),
        bound=_BOUND,
        batch=dims[0],
    )


def _caller(loaded: Any, function: Any, spec: Any) -> Any:
    tf = frameworks.load("tensorflow")
    named = set(function.structured_input_signature[1])

    def call(
        picture: Any, _kept: Any = loaded
    ) -> Any:  # variables live as long as what they were loaded with
        tensor = tf.cast(picture, spec.dtype)
        return function(**{next(iter(named)): tensor}) if named else function(tensor)

    return call


def _inputs(function: Any) -> dict[str, Any]:
    tf = frameworks.load("tensorflow")
    positional, named = function.structured_input_signature
    specs = {f"input {i + 1}": spec for i, spec in enumerate(tf.nest.flatten(positional))} | dict(named)
    return {name: spec for name, spec in specs.items() if isinstance(spec, tf.TensorSpec)}


def _outputs(function: Any) -> dict[str, Any]:
    tf = frameworks.load("tensorflow")
    found = function.structured_outputs
    return (
        dict(found)
        if isinstance(found, dict)
        else {f"output {i + 1}": t for i, t in enumerate(tf.nest.flatten(found))}
    )


def _only(tensors: dict[str, Any], what: str) -> Any:
    if len(tensors) != 1:
        names = ", ".join(map(repr, tensors)) or "none"
        raise ModelError(f"the network has {len(tensors)} {what} ({names}); exactly one is supported")
    return next(iter(tensors.values()))


def _dims(spec: Any) -> Dims:
    if not spec.dtype.is_floating:
        raise ModelError(f"the network's input {spec.name!r} is {spec.dtype.name}; only float is supported")
    if spec.shape.rank not in (None, 4):
        raise ModelError(
            f"the network's input {spec.name!r} has {spec.shape.rank} axes; a picture is needed: batch, height, width,"
            " channels"
        )
    batch, height, width, channels = (None,) * 4 if spec.shape.rank is None else tuple(spec.shape)
    return batch, height, width, channels
