"""SavedModel folders: of Keras 2, of Keras 3's `export`, of `tf.saved_model.save`, and of TensorFlow 1.

A SavedModel is a set of finished graphs: it is called through one of its signatures, and keeps the sizes that were
open or fixed when it was saved. Keras' own description in it is not read. It is a program, too, and hostile until it is
trusted: what TensorFlow would run of it is judged by the engine's `saved_model_ops` before TensorFlow sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czconverter import frameworks
from czconverter.loaders.freeze import Dims
from czconverter.loaders.saved_model_v1 import signatures_of
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czconverter.package.member_names import check_names
from czconverter.reasons import reason
from czengine.archive import read_members
from czengine.errors import ArchiveError, CzEngineError, ModelError
from czengine.graph.saved_model_ops import forbidden_operators

_GRAPH = "saved_model.pb"
_SERVING = "serving_default"
_SHOWN = 5  # operators in a message
_BOUND = "a SavedModel keeps the size it was saved with (convert the Keras model it was made from instead)"


@dataclass(frozen=True, kw_only=True)
class _Function:
    """What can be called: with one tensor; names and tf.TensorSpec of what it takes, names of what it gives."""

    call: Callable[[Any], Any]
    inputs: dict[str, Any]
    outputs: tuple[str, ...]


def load_saved_model(folder: Path, *, trust: bool = False) -> TensorFlowNetwork:
    """The network of a SavedModel folder: signature "serving_default", else the only one, else the only function.

    Parameters
    ----------
    trust : bool
        Load it even if it holds operators that may do more than compute.

    Raises
    ------
    ModelError
        Where it holds such operators and is not trusted, where nothing in it takes one picture and gives one, or where
        TensorFlow cannot load it.
    """
    folder = Path(folder)
    if not (folder / _GRAPH).is_file():
        raise ModelError(f"{folder} is no SavedModel: it has no {_GRAPH}; name the folder that has one")
    return _loaded(folder, what=str(folder), trust=trust)


def load_saved_model_zip(data: bytes, folder: Path, *, trust: bool = False) -> TensorFlowNetwork:
    """The network of a zipped SavedModel, as archives hold it; it is unpacked into `folder` and stays there.

    Parameters
    ----------
    trust : bool
        As for `load_saved_model`.

    Raises
    ------
    ArchiveError
        Where the zip is damaged, breaks a limit, has members that point outside, or cannot be unpacked.
    ModelError
        As `load_saved_model`.
    """
    what = "the zipped SavedModel"
    members = read_members(data, what=what)
    check_names(members, what=what)
    if _GRAPH not in members:
        raise ModelError(f"{what} is none: it has no {_GRAPH}; export the model again")
    try:
        for name, content in members.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise ArchiveError(f"{what} cannot be unpacked ({error.strerror}); export the model again") from error
    return _loaded(folder, what=what, trust=trust)


def _loaded(folder: Path, *, what: str, trust: bool) -> TensorFlowNetwork:
    if not trust:
        _check_operators(folder, what)
    frameworks.load("tensorflow")
    try:
        with frameworks.quiet():
            functions = _second_version(folder) if _has_objects(folder) else _first_version(folder)
        return _network(_chosen(functions))
    except CzEngineError as error:
        raise ModelError(f"{what}: {error}") from error
    except Exception as error:  # TensorFlow's, protobuf's and Python's errors, by what is damaged
        raise ModelError(
            f"{what} cannot be loaded as a SavedModel: {reason(error)}; save it again"
        ) from error


def _check_operators(folder: Path, what: str) -> None:
    try:
        found = forbidden_operators((folder / _GRAPH).read_bytes())
    except OSError as error:
        raise ModelError(f"{what} cannot be read ({error.strerror}); check its permissions") from error
    except ModelError as error:
        raise ModelError(f"{what}: {error}") from error
    if found:
        shown = ", ".join(found[:_SHOWN]) + (" and others" if len(found) > _SHOWN else "")
        raise ModelError(
            f"{what} may do more than compute when it is loaded or run: it holds the operators {shown}; give --trust if"
            " you know who made it"
        )


def _has_objects(folder: Path) -> bool:
    """Whether TensorFlow 2 wrote it: those of TensorFlow 1 may have several graphs, but no objects."""
    messages = frameworks.load("tensorflow.core.protobuf.saved_model_pb2")
    graphs = messages.SavedModel.FromString((folder / _GRAPH).read_bytes()).meta_graphs
    return len(graphs) == 1 and graphs[0].HasField("object_graph_def")


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
        single=dims[0] == 1,
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
    if batch not in (None, 1):
        raise ModelError(
            f"the network takes {batch} pictures at a time, no more and no less; export it again with a batch size of"
            " 1 or an open one"
        )
    return batch, height, width, channels
