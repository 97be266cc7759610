"""SavedModel folders: of Keras 2, of Keras 3's `export`, of `tf.saved_model.save`, and of TensorFlow 1.

A SavedModel is a set of finished graphs: it is called through one of its signatures, and keeps the sizes that were
open or fixed when it was saved. Keras' own description in it is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czconverter import frameworks
from czconverter.loaders.freeze import Dims
from czconverter.loaders.reasons import reason
from czconverter.loaders.saved_model_v1 import signatures_of
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czengine.archive import read_members
from czengine.errors import CzEngineError, ModelError

_SERVING = "serving_default"
_BOUND = "a SavedModel keeps the size it was saved with (convert the Keras model it was made from instead)"


@dataclass(frozen=True, kw_only=True)
class _Function:
    """What can be called: with one tensor; names and tf.TensorSpec of what it takes, names of what it gives."""

    call: Callable[[Any], Any]
    inputs: dict[str, Any]
    outputs: tuple[str, ...]


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
    frameworks.load("tensorflow")
    try:
        with frameworks.quiet():
            functions = _first_version(folder) if _without_objects(folder) else _second_version(folder)
        return _network(_chosen(functions))
    except CzEngineError as error:
        raise ModelError(f"{folder}: {error}") from error
    except Exception as error:  # TensorFlow's, protobuf's and Python's errors, by what is damaged
        raise ModelError(
            f"{folder} cannot be loaded as a SavedModel: {reason(error)}; save it again"
        ) from error


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


def _without_objects(folder: Path) -> bool:
    messages = frameworks.load("tensorflow.core.protobuf.saved_model_pb2")
    model = messages.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return not any(graph.HasField("object_graph_def") for graph in model.meta_graphs)


def _first_version(folder: Path) -> dict[str, _Function]:
    return {
        name: _Function(call=function, inputs=inputs, outputs=tuple(outputs))
        for name, (function, inputs, outputs) in signatures_of(folder).items()
    }


def _second_version(folder: Path) -> dict[str, _Function]:
    """Signatures by name; where there are none, functions by the attribute they were saved as."""
    loaded = frameworks.load("tensorflow").saved_model.load(str(folder))
    found = dict(loaded.signatures) or dict(_functions(loaded))
    return {name: _described(function, loaded) for name, function in found.items()}


def _functions(loaded: Any) -> Iterator[tuple[str, Any]]:
    """Functions that were saved without a signature: traced ones, for one tensor."""
    for name in dir(loaded):
        for i, concrete in enumerate(getattr(getattr(loaded, name, None), "concrete_functions", ())):
            if len(_inputs(concrete)) == 1:
                yield f"{name} {i + 1}" if i else name, concrete


def _described(function: Any, loaded: Any) -> _Function:
    tf = frameworks.load("tensorflow")
    keys = list(function.structured_input_signature[1])
    result = function.structured_outputs
    named = (
        result
        if isinstance(result, dict)
        else {f"output {i + 1}": t for i, t in enumerate(tf.nest.flatten(result))}
    )

    def call(tensor: Any, _kept: Any = loaded) -> Any:  # variables live as long as what they were loaded with
        return function(**{keys[0]: tensor}) if keys else function(tensor)

    return _Function(call=call, inputs=_inputs(function), outputs=tuple(sorted(named)))


def _inputs(function: Any) -> dict[str, Any]:
    tf = frameworks.load("tensorflow")
    positional, named = function.structured_input_signature
    specs = {f"input {i + 1}": spec for i, spec in enumerate(tf.nest.flatten(positional))}
    return {
        name: spec
        for name, spec in (specs | dict(sorted(named.items()))).items()
        if isinstance(spec, tf.TensorSpec)
    }


def _chosen(functions: dict[str, _Function]) -> _Function:
    if _SERVING in functions:
        return functions[_SERVING]
    if len(functions) == 1:
        return next(iter(functions.values()))
    names = f" ({', '.join(map(repr, sorted(functions)))})" if functions else ""
    raise ModelError(
        f"the SavedModel has {len(functions)} functions{names} and none is called {_SERVING!r}; save it with"
        " tf.saved_model.save(model, folder, signatures=function)"
    )


def _network(function: _Function) -> TensorFlowNetwork:
    tf = frameworks.load("tensorflow")
    name = _only(tuple(function.inputs), "inputs")
    _only(function.outputs, "outputs")
    spec = function.inputs[name]
    dims = _dims(name, spec)
    return TensorFlowNetwork(
        call=lambda picture: function.call(tf.cast(picture, spec.dtype)),
        kind="SavedModel",
        framework=frameworks.versions("tensorflow"),
        channels=dims[3],
        size=(dims[1], dims[2]),
        bound=_BOUND,
        batch=dims[0],
    )


def _only(names: tuple[str, ...], what: str) -> str:
    if len(names) != 1:
        listed = ", ".join(map(repr, names)) or "none"
        raise ModelError(f"the network has {len(names)} {what} ({listed}); exactly one is supported")
    return names[0]


def _dims(name: str, spec: Any) -> Dims:
    if not spec.dtype.is_floating:
        raise ModelError(f"the network's input {name!r} is {spec.dtype.name}; only float is supported")
    if spec.shape.rank not in (None, 4):
        raise ModelError(
            f"the network's input {name!r} has {spec.shape.rank} axes; a picture is needed: batch, height, width,"
            " channels"
        )
    batch, height, width, channels = (None,) * 4 if spec.shape.rank is None else tuple(spec.shape)
    return batch, height, width, channels
