"""Calls a Keras model for what an archive needs: inference, in float32, for pictures of any size and batch.

The model stays the user's: what is changed about its layers is changed for the time of one call, tracing included,
and put back whatever happens. Works on Keras 3 and tf-keras, and imports neither: `package` is the one a model is of.
Only this module knows which of their attributes hold these things.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from czconverter import frameworks

_ABSENT = object()


def inference(model: Any, package: Any) -> Callable[[Any], Any]:
    """A function that calls the model: one tensor in, whatever the model gives out."""
    options = {"training": False} if "training" in inspect.signature(model.call).parameters else {}

    def call(picture: Any) -> Any:
        with _changed([*_float32(model, package), *_any_size(model)]):
            return model(_nested(model, picture), **options)

    return call


def mixed_precision(model: Any) -> str | None:
    """Name of the policy by which layers compute in fewer bits than their weights have; None where none does."""
    return next((policy.name for policy in map(_policy, layers(model)) if _is_mixed(policy)), None)


def layers(model: Any) -> list[Any]:
    """The model and all layers in it, those of nested models and wrappers included."""
    return list(model._flatten_layers())


def is_graph(layer: Any) -> bool:
    """Whether a layer is a functional or sequential model, made for an input of a certain shape."""
    return any(kind.__name__ in ("Functional", "Sequential") for kind in type(layer).__mro__)


def _nested(model: Any, picture: Any) -> Any:
    """The tensor in the list or dict the model was given for its one input."""
    tf = frameworks.load("tensorflow")
    structure = next(
        (
            found
            for name in ("_inputs_struct", "_nested_inputs")
            if (found := getattr(model, name, None)) is not None
        ),
        None,
    )
    return picture if structure is None else tf.nest.pack_sequence_as(structure, [picture])


def _float32(model: Any, package: Any) -> Iterator[tuple[Any, str, Any]]:
    """Layers of mixed precision compute in the type of their weights."""
    three = hasattr(package, "DTypePolicy")
    for layer in layers(model):
        if _is_mixed(_policy(layer)):
            name = _policy(layer).variable_dtype
            yield (
                layer,
                "_dtype_policy",
                (package.DTypePolicy if three else package.mixed_precision.Policy)(name),
            )
            if not three:
                yield layer, "_compute_dtype_object", frameworks.load("tensorflow").as_dtype(name)


def _any_size(model: Any) -> Iterator[tuple[Any, str, Any]]:
    """Models within do not insist on the shape of their input; whether they may is for the caller to find out."""
    for layer in layers(model):
        if is_graph(layer):
            yield layer, "_manual_input_spec", None


def _policy(layer: Any) -> Any:
    return layer.dtype_policy


def _is_mixed(policy: Any) -> bool:
    return policy.compute_dtype in ("float16", "bfloat16") and policy.variable_dtype != policy.compute_dtype


@contextmanager
def _changed(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Attributes with other values for a while, past Keras' own bookkeeping of attributes."""
    before = [(owner, name, vars(owner).get(name, _ABSENT)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            object.__setattr__(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            if value is _ABSENT:
                vars(owner).pop(name, None)
            else:
                object.__setattr__(owner, name, value)
