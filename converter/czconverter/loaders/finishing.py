"""What an ONNX model of any exporter goes through to become what `Network.to_onnx` promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from czconverter.graphs.canonical import canonical
from czconverter.graphs.check import check_onnx
from czconverter.graphs.dims import name_dims
from czconverter.graphs.layout import channels_last, float_ends
from czconverter.graphs.opset import with_opset
from czconverter.steps.nodes import with_steps
from czconverter.steps.tensors import is_keras_layer
from czengine.errors import OptionError
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import ModelProto


def finished(
    model: ModelProto,
    opset: int,
    *,
    layouts: tuple[Layout, Layout],
    before: Sequence[Any],
    after: Sequence[Any],
) -> ModelProto:
    """The model in `opset`, channels-last and float32 at both ends, with steps, names and checks.

    Parameters
    ----------
    layouts : (input, output)
        Axis order the model has.

    Raises
    ------
    ModelError
        Where it cannot be written in that opset, or is not valid afterwards.
    OptionError
        For steps that are Keras layers, or do not fit.
    """
    check_steps((*before, *after))
    model = with_opset(model, opset)  # first: what is added below is the same in every opset
    model = channels_last(float_ends(model), layout=layouts[0], output_layout=layouts[1])
    model = name_dims(canonical(with_steps(model, before=before, after=after)))
    check_onnx(model)
    return model


def check_steps(steps: Sequence[Any]) -> None:
    """Refuse Keras layers, which only TensorFlow can run."""
    for step in steps:
        if is_keras_layer(step):
            raise OptionError(
                f"{type(step).__name__} is a Keras layer; an ONNX or PyTorch network takes named steps such as"
                " rgb-to-bgr"
            )
