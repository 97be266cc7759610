"""What a Keras file would run, import or read on loading, found in its config before anything is loaded.

Keras makes objects of whatever the config names: a Lambda layer holds Python bytecode, any other entry may name a
module to import from, or a function of TensorFlow to call. Keras' own classes are harmless, but for a few that call
such functions, read further files or unpack pickles. Which functions are harmless is for `keras_functions` to say.
"""

from __future__ import annotations

import importlib
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from czconverter.loaders.keras_functions import is_harmless

_VALUES = {
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__tuple__",
    "__bytes__",
    "__ellipsis__",
    "__slice__",
    "TensorShape",
}
_LAMBDA = {"Lambda", "__lambda__"}
_CODE = {
    "function",
    "__typespec__",
    "TypeSpec",
    "CompositeTensor",
    "TorchModuleWrapper",
    "TFSMLayer",
    "ReloadedLayer",
    "JaxLayer",
    "FlaxLayer",
    "TensorFlowOpLayer",
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    "ModuleWrapper",
    "VariableScopeLayer",
}
_FUNCTIONS = {"TFOpLambda", "SlicingOpLambda"}
# where a class lies that an .h5 file names without its module
_PLACES = {
    "keras": (
        "layers models initializers regularizers constraints dtype_policies ops src.models.functional src.ops.numpy"
        " src.ops.nn src.ops.image src.ops.core src.ops.math src.ops.linalg"
    ),
    "tf_keras": (
        "layers models initializers regularizers constraints mixed_precision src.engine.functional"
        " src.layers.core.tf_op_layer src.mixed_precision.policy"
    ),
}
# where the classes of networks are written; others of Keras reach for files and further models
_HOMES = re.compile(
    r"(keras|tf_keras)\.src\.(layers|models|engine|ops|activations|initializers|regularizers|constraints|quantizers"
    r"|dtype_policies|mixed_precision|losses|metrics|optimizers)(\.|$)"
)


def suspects(config: Any, package: str) -> Iterator[tuple[str, str]]:
    """(name of the layer, why it needs trust) of everything in the config that is not plainly Keras' own.

    Parameters
    ----------
    config : JSON value
        Of the model.
    package : {"keras", "tf_keras"}
        The Keras that would load it.
    """
    waiting = deque([(config, "model")])  # no recursion: a config may be nested as deep as it likes
    while waiting:
        value, name = waiting.popleft()
        if isinstance(value, dict):
            name = _name(value, name)
            why = _why(value, package)
            if why is not None:
                yield name, why
            value = list(value.values())
        if isinstance(value, list):
            waiting.extend((item, name) for item in value)


def _name(value: dict[str, Any], outer: str) -> str:
    config = value.get("config")
    inner = config.get("name") if isinstance(config, dict) and "class_name" in value else None
    found = inner or value.get("name")
    return found if isinstance(found, str) and "class_name" in value else outer


def _why(entry: dict[str, Any], package: str) -> str | None:
    if isinstance(entry.get("vocabulary"), str):
        return f"reads a file of this computer ({entry['vocabulary']!r})"
    if "class_name" not in entry:
        return None
    kind = entry["class_name"]
    if not isinstance(kind, str):
        return "has a class without a name"
    if kind in _VALUES:
        return None
    found = _class(kind, entry.get("module"), package)
    names = {kind, *(base.__name__ for base in getattr(found, "__mro__", ()))}  # it may go by another name
    if names & _LAMBDA:
        return "is Python code (Lambda)"
    if names & _CODE:
        return f"runs code from outside of Keras ({kind})"
    if names & _FUNCTIONS:
        return _why_function(entry.get("config"))
    return None if found is not None else f"is of a class that is not Keras' own ({kind})"


def _why_function(config: Any) -> str | None:
    function = config.get("function") if isinstance(config, dict) else None
    if isinstance(function, str) and is_harmless(function):
        return None
    return f"calls tf.{function}, which is not known to be harmless"


def _class(kind: str, module: Any, package: str) -> type | None:
    """The class of Keras that the entry leads to, where it is made from a config; functions never are."""
    if module is None or module == "builtins":
        places = [package, *(f"{package}.{place}" for place in _PLACES[package].split())]
    elif isinstance(module, str) and module.partition(".")[0] in _PLACES:
        places = [".".join((package, *module.split(".")[1:]))]
    else:
        return None
    return next((found for place in places if (found := _member(place, kind)) is not None), None)


def _member(module: str, name: str) -> type | None:
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    if not isinstance(found, type) or not hasattr(found, "from_config"):
        return None
    return found if _HOMES.match(found.__module__) or found.__name__ in _CODE else None
