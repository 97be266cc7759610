"""ModelSpec: everything known about a model once its archive has been read. Immutable values only.

Reading them out of an archive is `model.py`; this module holds no parsing and no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Layout = Literal["NHWC", "NCHW"]
Color = tuple[int, int, int]


class Task(StrEnum):
    """What the network's output means, pixel by pixel."""

    SEGMENTATION = "segmentation"  # each pixel has one class: argmax over the outputs
    MULTILABEL = "multilabel"  # each class on its own: a threshold per output
    REGRESSION = "regression"  # the outputs are the result


class Runtime(StrEnum):
    """What the archive holds the network as."""

    ONNX = "onnx"
    SAVEDMODEL = "savedmodel"


def label_type(values: Sequence[int]) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest type that holds label values: uint8, or uint16."""
    import numpy as np

    return np.dtype(np.uint16 if max(values, default=0) > 255 else np.uint8)


@dataclass(frozen=True, kw_only=True)
class ModelClass:
    """One class of a segmentation.

    Attributes
    ----------
    name : str
        Name given by the person who trained the model.
    label : int
        Value in the label image, 1-based; 0 means "nothing".
    color : tuple of int
        (red, green, blue), 0-255. Two classes may share a colour: the ZEISS colour
        generator repeats red for class 4.
    """

    name: str
    label: int
    color: Color


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What the archive's metadata and the network's graph say together.

    Attributes
    ----------
    id, name, description : str
        As in the archive; `description` may be empty.
    task : Task
        Meaning of the outputs.
    model_type : str
        The archive's own word for the task, e.g. "SingleClassSemanticSegmentation" or "DeepNeuralNetwork".
    format : {"legacy", "czann"}
        Which metadata the archive has, whatever its extension.
    format_version : str or None
        "3.1.0" and so on; None where the archive does not say (czann before 2.1.0).
    runtime : Runtime
        ONNX or a zipped TensorFlow SavedModel.
    tile : (height, width)
        Input size of the network in pixels, border included.
    border : (y, x)
        Pixels per side that are inferred and thrown away.
    classes : tuple of ModelClass
        One per output channel, in order; empty for regression.
    channels, outputs : int
        Network channels in and out. `outputs` is 0 where only running it could tell (SavedModel regression).
    pixel_types : tuple of tuple of str
        One entry per channel item, each a tuple of acceptable alternatives, e.g. (("Gray8", "Gray16"),);
        empty for czann, which has none.
    color_handling : str or None
        "ConvertToMonochrome", "SplitRgb", or None (czann).
    scale_inputs : bool
        Whether integer pixels are divided by the maximum of their type before inference.
    pixel_size : tuple of float or None
        Training pixel size (x, y[, z]) in metres; None where unknown or a placeholder.
    postprocessing : str or None
        As in legacy archives; None where empty or "None".
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order of the network's input and output.
    input_name, output_name : str or None
        Names in the graph; None for a SavedModel, whose signature is found when it is loaded.
    fixed_batch : int or None
        The batch size the graph insists on, None where it is free.
    opset : int or None
        ONNX opset of the default domain.
    licence : str or None
        Name of the licence file in the archive.
    origins : tuple of (str, str)
        Fields whose value was not simply read, and where it came from; see `inferred`.
    warnings : tuple of str
        What a user should know before trusting the result, one sentence each.
    digest : str
        SHA-256 of the network's bytes, hexadecimal.
    """

    id: str
    name: str
    description: str
    task: Task
    model_type: str
    format: Literal["legacy", "czann"]
    format_version: str | None
    runtime: Runtime
    tile: tuple[int, int]
    border: tuple[int, int]
    classes: tuple[ModelClass, ...]
    channels: int
    outputs: int
    pixel_types: tuple[tuple[str, ...], ...]
    color_handling: str | None
    scale_inputs: bool
    pixel_size: tuple[float, ...] | None
    postprocessing: str | None
    layout: Layout
    output_layout: Layout
    input_name: str | None
    output_name: str | None
    fixed_batch: int | None
    opset: int | None
    licence: str | None
    origins: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    digest: str

    @property
    def inferred(self) -> dict[str, str]:
        """Field name to where its value came from, e.g. {"tile": "network input shape"}."""
        return dict(self.origins)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the network's outputs: the classes, or "output 1" and so on."""
        return tuple(c.name for c in self.classes) or tuple(f"output {i + 1}" for i in range(self.outputs))
