"""ONNX models: from a file, with its weights wherever they lie, from bytes, or from memory.

Needs no framework but onnxruntime, which runs the model as it is, in its own layout: what the archive is compared with
has not been through any of the changes that the archive's network has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czconverter import frameworks
from czconverter.graphs.dims import set_size
from czconverter.graphs.layout import float_ends
from czconverter.graphs.opset import opset_of, weights_inside
from czconverter.graphs.running import OnnxRunner
from czconverter.graphs.serializing import LARGEST, serialized, too_large
from czconverter.loaders.base import Size
from czconverter.loaders.finishing import finished
from czconverter.reasons import reason
from czengine.errors import ModelError, OptionError
from czengine.graph.signature import Signature, parse_onnx, read_signature
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import ModelProto

_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def load_onnx(
    source: Path | bytes | ModelProto, *, layout: Layout | None = None, channels: int | None = None
) -> OnnxNetwork:
    """The network of a file, of its bytes, or of a model in memory.

    Parameters
    ----------
    layout : {"NHWC", "NCHW"} or None
        Axis order of the input; None tells it from the shapes.
    channels : int or None
        Channels it takes, where it does not say; settles an unclear layout too.

    Raises
    ------
    ModelError
        Where it cannot be read, or is not one picture in and one picture of the same size out.
    OptionError
        Where it takes another number of channels.
    """
    if isinstance(source, Path):
        try:
            model, beside = _read(source)
            return _network(model, layout, channels, _notes(beside))
        except ModelError as error:  # those below know the model, not the file
            raise ModelError(f"{source}: {error}") from error
    return _network(_parsed(source), layout, channels, ())


@dataclass(frozen=True, kw_only=True)
class OnnxNetwork:
    """An ONNX model as a `Network`.

    Attributes
    ----------
    model : ModelProto
        As it was read, in its own layout and type.
    signature : Signature
        Of the model with float ends.
    known_channels : int or None
        Channels where the graph does not say.
    notes : tuple of str
        See `Network`.
    """

    model: ModelProto
    signature: Signature
    known_channels: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """See `Network`."""
        return "ONNX model"

    @property
    def framework(self) -> str:
        """See `Network`."""
        return frameworks.versions("onnxruntime", "onnx")

    @property
    def channels(self) -> int | None:
        """See `Network`."""
        return self.signature.channels or self.known_channels

    @property
    def size(self) -> Size:
        """See `Network`."""
        return self.signature.size

    @property
    def counts(self) -> float | None:
        """Largest value of its input type, where that holds whole numbers."""
        from onnx import TensorProto

        largest = {TensorProto.UINT8: 255.0, TensorProto.UINT16: 65535.0}
        return largest.get(self.model.graph.input[0].type.tensor_type.elem_type)

    @property
    def opset(self) -> int:
        """Opset the model is in."""
        return opset_of(self.model)

    @property
    def needs_size(self) -> bool:
        """Only where it does not say how many channels it takes."""
        return self.channels is None

    def sized(self, height: int, width: int, channels: int) -> OnnxNetwork:
        """See `Network`; what other sizes change in the graph is settled by `set_size`."""
        if self.channels not in (None, channels):
            raise ModelError(f"the network takes {self.channels} channels, not {channels}")
        layouts = self.signature.layout, self.signature.output_layout
        model = set_size(
            self.model, height, width, channels=channels, layout=layouts[0], output_layout=layouts[1]
        )
        signature = read_signature(float_ends(model), layout=layouts[0])
        return replace(self, model=model, signature=replace(signature, output_layout=layouts[1]))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`; a network for single pictures gets them one by one."""
        if self.signature.layout == "NCHW":
            batch = batch.transpose(_TO_FIRST)
        parts = [batch] if self.signature.fixed_batch is None else np.split(batch, len(batch))
        scores = np.concatenate([self._runner.run(part) for part in parts])
        return scores.transpose(_TO_LAST) if self.signature.output_layout == "NCHW" else scores

    def to_onnx(self, opset: int, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> ModelProto:
        """See `Network`."""
        return finished(
            self.model,
            opset,
            layouts=(self.signature.layout, self.signature.output_layout),
            before=before,
            after=after,
        )

    def to_saved_model(self, folder: Path, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        """Raise ModelError: there is no TensorFlow in it."""
        raise ModelError("an ONNX model cannot become a SavedModel; keep ONNX inside the archive")

    @cached_property
    def _runner(self) -> OnnxRunner:
        return OnnxRunner(self.model)


def _network(
    model: ModelProto, layout: Layout | None, channels: int | None, notes: tuple[str, ...]
) -> OnnxNetwork:
    model = weights_inside(model)
    if len(model.graph.input) == 1 == len(model.graph.output):
        signature = read_signature(float_ends(model), channels=channels, layout=layout)
    else:
        signature = read_signature(model)  # which says what is wrong
    if signature.fixed_batch not in (None, 1):
        raise ModelError(
            f"the network takes {signature.fixed_batch} pictures at a time, no more and no less; export it again with"
            " a batch size of 1 or an open one"
        )
    if channels is not None and signature.channels not in (None, channels):
        raise OptionError(f"channels is {channels}, but the network takes {signature.channels}")
    if signature.layout == "NCHW":
        notes += ("the ONNX model is channels-first; it is packed channels-last, as all archives are",)
    return OnnxNetwork(model=model, signature=signature, known_channels=channels, notes=notes)


def _parsed(source: bytes | ModelProto) -> ModelProto:
    if isinstance(source, bytes):
        return parse_onnx(source)
    if outside := _beside(source):
        raise ModelError(
            f"its weights lie in {', '.join(outside)}; give the path of its file, or load it with its external data"
        )
    return parse_onnx(serialized(source))


def _notes(beside: tuple[str, ...]) -> tuple[str, ...]:
    return (f"weights were read from {', '.join(beside)} beside the model",) if beside else ()


def _read(path: Path) -> tuple[ModelProto, tuple[str, ...]]:
    """The model with all weights inside, and the files beside it that some came from."""
    import onnx

    try:
        if path.stat().st_size > LARGEST:
            raise too_large()
        model = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"it cannot be read ({error.strerror}); check the path") from error
    except ModelError:
        raise
    except Exception as error:  # protobuf's DecodeError
        raise ModelError("this is no ONNX model, or a part of one only; copy or export it again") from error
    beside = _beside(model)
    if beside:
        _read_weights(model, path.parent)
    return _parsed(model), beside


def _beside(model: ModelProto) -> tuple[str, ...]:
    """Names of the files that weights lie in, as the model spells them."""
    from onnx.external_data_helper import uses_external_data

    places = {
        entry.value
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(sorted(places))


def _read_weights(model: ModelProto, folder: Path) -> None:
    """Put weights of files beside the model into it; onnx refuses files that lie elsewhere."""
    from onnx.external_data_helper import load_external_data_for_model

    try:
        load_external_data_for_model(model, str(folder))
    except Exception as error:  # OSError, ValueError, and its checker's own
        raise ModelError(
            f"the weights beside it cannot be read: {reason(error)}; copy them with the model"
        ) from error
