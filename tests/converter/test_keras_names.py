"""Names inside Keras that nobody promises to keep, but that this converter needs: a new Keras may have lost one."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from czconverter.loaders.keras_safety import _PLACES
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, nested, picture, subclassed, unet


@pytest.fixture(scope="module", params=PACKAGES)
def k(request: pytest.FixtureRequest) -> Any:
    return need(request.param)


def test_layers_of_a_model(k: Any) -> None:
    model = nested(k)
    inner = model.layers[-1]
    assert {id(model), id(inner), *map(id, inner.layers)} <= set(map(id, model._flatten_layers()))


def test_types_of_a_layer(k: Any) -> None:
    layer = k.layers.Conv2D(1, 1, dtype="mixed_float16")
    assert layer._dtype_policy is layer.dtype_policy
    assert (layer.dtype_policy.compute_dtype, layer.dtype_policy.variable_dtype) == ("float16", "float32")
    if k.__name__ == "tf_keras":
        assert layer._compute_dtype_object.name == "float16"
        assert k.mixed_precision.Policy("float32").compute_dtype == "float32"
    else:
        assert k.DTypePolicy("float32").compute_dtype == "float32"


def test_input_of_a_functional_model(k: Any) -> None:
    model = unet(k)
    assert model._inputs_struct is not None if k.__name__ == "keras" else model._nested_inputs is not None
    assert "_manual_input_spec" not in vars(model)
    model.input_spec = model.input_spec
    assert "_manual_input_spec" in vars(model)
    assert {kind.__name__ for kind in type(model).__mro__} >= {"Functional", "Model"}
    assert "Sequential" in {kind.__name__ for kind in type(nested(k)).__mro__}


def test_input_of_a_model_that_was_called(k: Any) -> None:
    model = subclassed(k)
    model(picture())
    built = model._build_shapes_dict if k.__name__ == "keras" else {"input": model._build_input_shape}
    assert [tuple(shape) for shape in built.values()] == [(2, 16, 16, 1)]


def test_backend(k: Any) -> None:
    assert k.backend.backend() == "tensorflow"


def test_modules_with_classes(k: Any) -> None:
    for place in _PLACES[k.__name__].split():
        assert importlib.import_module(f"{k.__name__}.{place}")
