"""Small networks as Keras (through tf2onnx) and torch export them: names, docs and paths as they really are."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

from onnx import ModelProto

from czconverter import frameworks
from czconverter.graphs.canonical import canonical, to_bytes
from czconverter.loaders.repeatable import repeatable
from tests.support.frameworks import need


def keras_onnx(build: Callable[[Any, Any], Any], *, size: int | None = 16, opset: int = 17) -> ModelProto:
    """The network that `build(keras.layers, input)` adds to an input of 3 channels, as tf2onnx writes it."""
    tf, keras, tf2onnx = need("tensorflow"), need("keras"), need("tf2onnx")
    constants = need("tensorflow.python.framework.convert_to_constants")
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    source = keras.Input((size, size, 3))
    model = keras.Model(source, build(keras.layers, source))
    spec = tf.TensorSpec((None, size, size, 3), tf.float32, name="picture")
    with frameworks.quiet():
        traced = tf.function(lambda x: model(x, training=False), input_signature=[spec], autograph=False)
        frozen = constants.convert_variables_to_constants_v2(
            traced.get_concrete_function(), lower_control_flow=False
        )
        written, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[frozen.inputs[0].name],
            output_names=[frozen.outputs[0].name],
            opset=opset,
        )
    dims = written.graph.output[0].type.tensor_type.shape.dim
    for dim in dims[1:3] if size is None else ():
        dim.Clear()
    return ModelProto.FromString(written.SerializeToString())


def torch_onnx(module: Any, *, channels: int = 3, size: int = 24) -> ModelProto:
    """A torch module as `torch.onnx.export` writes it, channels-first; fewer pixels would pass for channels."""
    torch = need("torch")
    need("onnxscript")
    target = io.BytesIO()
    with frameworks.quiet():
        torch.onnx.export(
            module.eval(), (torch.zeros(1, channels, size, size),), target, dynamo=True, opset_version=18
        )
    return ModelProto.FromString(target.getvalue())


def busy(layers: Any, x: Any) -> Any:
    """Layers whose export tf2onnx's optimisers have much to do with, twice each: equal constants and nodes."""
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(squeezed)])
    y = layers.MaxPooling2D()(x)
    y = layers.GroupNormalization(2)(layers.LayerNormalization()(y))
    y = layers.GroupNormalization(2)(layers.LayerNormalization()(y))
    ups = [layers.UpSampling2D()(y), layers.UpSampling2D()(y)]
    ups += [layers.Conv2DTranspose(4, 2, strides=2)(y), layers.Conv2DTranspose(4, 2, strides=2)(y)]
    x = layers.SeparableConv2D(4, 3, padding="same", activation="swish")(layers.Concatenate()([x, *ups]))
    x = layers.Dense(4, activation="gelu")(x)
    return layers.Conv2D(2, 1, activation="softmax")(x)


def digests() -> list[str]:
    """Digests of a network as it is exported now, of fixed and of open size."""
    found = []
    for size in (16, None):
        with repeatable():
            model = keras_onnx(busy, size=size)
        found.append(hashlib.sha256(to_bytes(canonical(model))).hexdigest())
    return found
