"""A ModelSpec to start from, for tests that need no archive; change it with `dataclasses.replace`."""

from __future__ import annotations

from czengine.spec import ModelClass, ModelSpec, Runtime, Task

_COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def make_spec(*, channels: int = 1, outputs: int = 2, tile: tuple[int, int] = (32, 32)) -> ModelSpec:
    """A legacy segmentation model with classes "class 1", "class 2" …"""
    classes = tuple(
        ModelClass(name=f"class {i + 1}", label=i + 1, color=_COLORS[i % 3]) for i in range(outputs)
    )
    return ModelSpec(
        id="12345678-0000-4000-8000-000000000001",
        name="test",
        description="",
        task=Task.SEGMENTATION,
        model_type="DeepNeuralNetwork",
        format="legacy",
        format_version="3.1.0",
        runtime=Runtime.ONNX,
        tile=tile,
        border=(4, 4),
        classes=classes,
        channels=channels,
        outputs=outputs,
        pixel_types=(),
        color_handling=None,
        scale_inputs=False,
        pixel_size=None,
        postprocessing=None,
        layout="NHWC",
        output_layout="NHWC",
        input_name="input",
        output_name="output",
        fixed_batch=None,
        opset=12,
        licence=None,
        origins=(),
        warnings=(),
        digest="0" * 64,
    )
