"""Keras models in memory, of Keras 3 and of tf-keras (Keras 2): functional, sequential and subclassed.

It reads what a model says about its input, and tells whether it may be used for another size. Neither Keras is
imported unless the model is of it. Only this module knows which layers are made for one size and cannot leave it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from czconverter import frameworks
from czconverter.loaders.keras_calls import inference, is_graph, layers, mixed_precision
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czengine.errors import ModelError, OptionError

_PACKAGES = {"keras": "Keras 3", "tf_keras": "Keras 2"}
_RESHAPING = ("Flatten", "Reshape")
Shape = tuple[int | None, ...]


def from_keras(model: Any, *, kind: str = "model") -> TensorFlowNetwork:
    """The network of a Keras model.

    Parameters
    ----------
    model : keras.Model or tf_keras.Model
        One input (batch, y, x, channel) and one output; it is not changed, and its weights are not copied.
    kind : str
        What it came as; the network's `kind` is "Keras 3" or "Keras 2" and this.

    Raises
    ------
    ModelError
        Where it has more inputs or outputs, is not for pictures, or its Keras does not compute with TensorFlow.
    OptionError
        Where it is no Keras model.
    """
    name = _package_of(model)
    package = sys.modules[name]
    _check_backend(package)
    _check_outputs(model)
    shape = _picture_shape(model)
    policy = mixed_precision(model)
    return TensorFlowNetwork(
        call=inference(model, package),
        kind=f"{_PACKAGES[name]} {kind}",
        framework=frameworks.versions(name.replace("_", "-"), "tensorflow"),
        channels=shape[3],
        size=(shape[1], shape[2]) if is_graph(model) else (None, None),
        notes=(_mixed(policy),) if policy else (),
        bound=next(_bound(model), None),
    )


def _package_of(model: Any) -> str:
    for name in _PACKAGES:
        if name in sys.modules and isinstance(model, sys.modules[name].Model):
            return name
    raise OptionError(
        f"a {type(model).__module__}.{type(model).__name__} is no Keras model; give a keras.Model"
    )


def _check_backend(package: Any) -> None:
    backend = package.backend.backend()
    if backend != "tensorflow":
        raise ModelError(
            f"Keras computes with {backend} in this process; save the model as a .keras file and convert that with"
            " KERAS_BACKEND=tensorflow set"
        )


def _picture_shape(model: Any) -> Shape:
    """(batch, y, x, channel) of the input as far as the model says."""
    shapes = _input_shapes(model)
    if len(shapes) > 1:
        names = ", ".join(repr(name) for name in shapes)
        raise ModelError(f"the network has {len(shapes)} inputs ({names}); exactly one is supported")
    for name, shape in shapes.items():
        if len(shape) != 4:
            raise ModelError(
                f"the network's input {name!r} has {len(shape)} axes; a picture is needed: batch, height, width,"
                " channels"
            )
        return shape
    return (None, None, None, None)


def _input_shapes(model: Any) -> dict[str, Shape]:
    """Shapes by name; empty for a subclassed or sequential model that has not been called yet."""
    try:
        inputs = model.inputs if is_graph(model) else None
    except (AttributeError, ValueError):  # a sequential model without any input so far
        inputs = None
    if inputs:
        return {tensor.name: tuple(tensor.shape) for tensor in inputs}
    built = getattr(model, "_build_shapes_dict", None) or {}
    shape = getattr(model, "_build_input_shape", None) or next(iter(built.values()), None)
    single = shape is not None and all(size is None or isinstance(size, int) for size in shape)
    return {"input": tuple(shape)} if shape is not None and single else {}


def _check_outputs(model: Any) -> None:
    outputs = (getattr(model, "outputs", None) or []) if is_graph(model) else []
    if len(outputs) > 1:
        names = getattr(model, "output_names", None) or [tensor.name for tensor in outputs]
        raise ModelError(
            f"the network has {len(outputs)} outputs ({', '.join(map(repr, names))}); exactly one is supported"
        )


def _bound(model: Any) -> Iterator[str]:
    """Why a model that was made for one size has to keep it."""
    for layer in layers(model):
        if type(layer).__name__ in _RESHAPING and _reshapes_pixels(layer):
            yield f"its layer {layer.name!r} ({type(layer).__name__}) needs a certain number of pixels"
        if not is_graph(layer) and type(layer).__module__.partition(".")[0] not in _PACKAGES:
            yield (
                f"its layer {layer.name!r} ({type(layer).__name__}) is not one of Keras' own and may be made for this"
                " size (with open height and width in the model's Input, it can be tried)"
            )


def _reshapes_pixels(layer: Any) -> bool:
    try:
        shape = tuple(layer.input.shape)
    except (AttributeError, ValueError):  # used at several places, or nowhere yet
        return True
    return any(size != 1 for size in shape[1:-1])


def _mixed(policy: str) -> str:
    return f"the network is one of mixed precision ({policy}); it is run and written in float32"
