"""What a Keras file would run or import on loading, found in its config before anything is loaded.

Keras makes objects of whatever the config names: a Lambda layer holds Python bytecode, any other entry may name a
module to import from. Keras' own classes are harmless, but for a few that read further files or unpack pickles.
"""

from __future__ import annotations

import importlib
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

_HARMLESS = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__bytes__", "__ellipsis__"}
)
_CODE = frozenset(
    {
        "Lambda",
        "__lambda__",
        "function",
        "__typespec__",
        "TorchModuleWrapper",
        "TFSMLayer",
        "JaxLayer",
        "FlaxLayer",
    }
)
# tf.* functions that reach out of the graph; a TFOpLambda layer may name any
_OUTWARD = (
    "io.", "raw_ops.", "py_func", "numpy_function", "load_", "data.", "saved_model.", "summary.", "train.", "keras.",
    "distribute.", "experimental.", "gfile.", "autograph.",
)  # fmt: skip
_COMPATIBLE = re.compile(r"^(compat\.v[12]\.)+")  # tf.transpose and others are saved by their old names
_OPERATORS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
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
            why = _why(value, package) if "class_name" in value else None
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
    kind, module = entry["class_name"], entry.get("module")
    if not isinstance(kind, str):
        return "has a class without a name"
    if kind in _HARMLESS:
        return None
    if kind in ("Lambda", "__lambda__"):
        return "is Python code (Lambda)"
    if kind in _CODE:
        return f"runs code from outside of Keras ({kind})"
    if kind in _OPERATORS:
        config = entry.get("config")
        function = _COMPATIBLE.sub("", str(config.get("function"))) if isinstance(config, dict) else ""
        return f"calls tf.{function}" if function.startswith(_OUTWARD) else None
    return None if _is_keras(kind, module, package) else f"is of a class that is not Keras' own ({kind})"


def _is_keras(kind: str, module: Any, package: str) -> bool:
    """Whether the entry leads to a class of Keras that is made from a config; functions never are."""
    if module is None or module == "builtins":
        places = [package, *(f"{package}.{place}" for place in _PLACES[package].split())]
    elif isinstance(module, str) and module.partition(".")[0] in _PLACES:
        places = [".".join((package, *module.split(".")[1:]))]
    else:
        return False
    return any(_has_class(place, kind) for place in places)


def _has_class(module: str, name: str) -> bool:
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return isinstance(found, type) and hasattr(found, "from_config")
