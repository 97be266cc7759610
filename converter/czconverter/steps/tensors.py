"""Steps computed with TensorFlow, also while a graph is traced; Keras layers are steps here as well.

TensorFlow is imported when a step is computed, not before.
"""

from __future__ import annotations

from typing import Any, get_args

from czconverter import frameworks
from czconverter.reasons import reason
from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czconverter.steps.channels import channels_after
from czengine.errors import ModelError, OptionError

_KERAS = ("keras", "tf_keras")


def is_keras_layer(value: object) -> bool:
    """Whether `value` is a layer or model of Keras 3 or of tf-keras; imports neither."""
    return any(
        kind.__name__ == "Layer" and kind.__module__.partition(".")[0] in _KERAS
        for kind in type(value).__mro__
    )


def apply(step: Any, tensor: Any) -> Any:
    """What a step, or a Keras layer, makes of a batch of pictures.

    Parameters
    ----------
    step : Step or Keras layer
        A layer is called for inference.
    tensor : tf.Tensor, float32, (batch, y, x, channel)
        Pixels or scores; may be symbolic, as in a function that is traced.

    Returns
    -------
    tf.Tensor
        A step gives float32 (batch, y, x, channel) of the same size; a layer what it likes.

    Raises
    ------
    OptionError
        Where the number of channels does not fit, or `step` is neither.
    ModelError
        Where a layer cannot be called.
    """
    if is_keras_layer(step):
        return _called(step, tensor)
    if not isinstance(step, get_args(Step)):
        raise OptionError(
            f"{step!r} is a {type(step).__name__}; a step of czconverter.steps or a Keras layer is needed"
        )
    channels_after(step, tensor.shape[-1])
    return _computed(step, tensor)


def _computed(step: Step, x: Any) -> Any:
    tf = frameworks.load("tensorflow")
    match step:
        case TransposeChannels():
            return tf.gather(x, list(step.order), axis=-1)
        case Normalization():
            return (x - tf.constant(step.mean, tf.float32)) / tf.constant(step.std, tf.float32)
        case Shift():
            return x + tf.constant(step.shift, tf.float32)
        case Scale():
            return x * tf.constant(step.scale, tf.float32)
        case PerImageStandardization():
            return tf.image.per_image_standardization(x)
        case SigmoidToSoftmaxScores():
            return tf.concat([x, 1 - x], axis=-1)
        case Softmax():
            return tf.nn.softmax(x, axis=-1)


def _called(layer: Any, tensor: Any) -> Any:
    import inspect

    # Keras takes training= at every call, but tf-keras only where the layer's own call does
    accepts = "training" in inspect.signature(layer.call).parameters
    try:
        return layer(tensor, training=False) if accepts else layer(tensor)
    except Exception as error:  # a layer is anybody's code and raises anything
        raise ModelError(
            f"the layer {layer.name!r} ({type(layer).__name__}) cannot take pictures of shape"
            f" {tuple(tensor.shape)}: {reason(error)}"
        ) from error
