"""Small networks of Keras 3 and Keras 2 (tf-keras), and what is asked of all of them.

Every maker takes the Keras it shall use, `need("keras")` or `need("tf_keras")`. Weights are fixed random numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Dim = int | None
PACKAGES = ("keras", "tf_keras")


def unet(
    k: Any,
    height: Dim = 16,
    width: Dim = 16,
    channels: int = 1,
    outputs: int = 2,
    *,
    interpolation: str = "nearest",
    batch: int | None = None,
    middle: Any = None,
) -> Any:
    """Two scales with a skip connection, batch normalisation and dropout; `middle` is a layer at the lower scale."""
    layers = k.layers
    picture = layers.Input((height, width, channels), batch_size=batch)
    skip = x = layers.Conv2D(4, 3, padding="same", activation="relu")(picture)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.Dropout(0.5)(layers.BatchNormalization()(x))
    x = x if middle is None else middle(x)
    x = layers.UpSampling2D(interpolation=interpolation)(x)
    x = layers.Concatenate()([x, skip])
    return randomised(k.Model(picture, layers.Conv2D(outputs, 1, activation="softmax", name="classes")(x)))


def randomised(model: Any) -> Any:
    """The model with other weights than zeros and ones, so that none of them can go missing unseen."""
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.1, 0.4, weights.shape) for weights in model.get_weights()])
    return model


def nested(k: Any, height: Dim = 16, width: Dim = 16) -> Any:
    """A U-Net, a convolution before it, in a sequential model."""
    layers = k.layers
    return k.Sequential(
        [
            layers.Input((height, width, 1)),
            layers.Conv2D(1, 3, padding="same", name="first"),
            unet(k, height, width),
        ]
    )


def normalised(k: Any, height: Dim = 16, width: Dim = 16) -> Any:
    """A network whose first layer holds statistics, which Keras 3 keeps as captured constants."""
    layers = k.layers
    statistics = layers.Normalization()
    statistics.adapt(picture(8, 8, 1, batch=4) * 7 + 2)
    x = statistics(pixels := layers.Input((height, width, 1)))
    return k.Model(pixels, layers.Conv2D(2, 3, padding="same", activation="softmax")(x))


def subclassed(k: Any) -> Any:
    """A model with its own `call`, which captures a constant, says nothing about its input, and has not been called."""
    import tensorflow as tf

    class Network(k.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.convolutions = [k.layers.Conv2D(3, 3, padding="same"), k.layers.Conv2D(2, 1)]
            self.offset = tf.constant([0.25])

        def call(self, inputs: Any) -> Any:
            for layer in self.convolutions:
                inputs = layer(inputs + self.offset)
            return tf.nn.softmax(inputs)

    return Network()


def picture(height: int = 16, width: int = 16, channels: int = 1, *, batch: int = 2) -> Array:
    """Noise, (batch, y, x, channel), 0 to 1."""
    return np.random.default_rng(5).random((batch, height, width, channels), np.float32)


def run_onnx(model: Any, batch: Array) -> Array:
    """What onnxruntime makes of a batch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["output"], {"input": batch})
    return np.asarray(scores)


def agree(network: Any, batch: Array, opset: int = 17) -> Any:
    """The network as ONNX, once that gives what the network itself gives."""
    model = network.to_onnx(opset)
    np.testing.assert_allclose(run_onnx(model, batch), network.run(batch), atol=1e-5)
    return model


def input_dims(model: Any) -> list[int | str]:
    """Sizes and names of the axes of a ModelProto's input."""
    return [dim.dim_value or dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim]
