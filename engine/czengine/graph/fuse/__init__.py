"""Rewrites a network for what its result is needed for: raw pixels in, labels out, and no more than that takes.

`fuse` decides nothing: a `Purpose` says what may be changed, and what is not understood stays as it is. `draft` is the
network being rewritten, `turns` knows what a Transpose may look like, the others are one rewriting each. Whether one
pays on a device is known to `purpose`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from czengine.graph.fuse.draft import Draft
from czengine.graph.fuse.labels import choose
from czengine.graph.fuse.layouts import channels_first_input, channels_first_output
from czengine.graph.fuse.loops import unroll
from czengine.graph.fuse.pixels import take_pixels
from czengine.graph.fuse.purpose import Purpose, worthwhile
from czengine.graph.fuse.scores import drop_sigmoid, drop_softmax
from czengine.graph.lines import NotFollowed
from czengine.graph.signature import Signature, read_signature
from czengine.spec import Layout, Task

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Fused", "Purpose", "fuse", "worthwhile"]

# Nodes may be malformed; what is wrong with them the runtime will say.
_WRONG = (NotFollowed, LookupError, ValueError, TypeError, ArithmeticError)


@dataclass(frozen=True, kw_only=True)
class Fused:
    """A network rewritten, and what is left for those around it to do.

    Attributes
    ----------
    model : ModelProto
        The network; the one that was given where nothing was changed.
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order of input and scores.
    dtype : str
        Type of the input.
    gives : {"scores", "labels"}
        Scores, float32; or labels (batch, y, x), uint8 or, with label values beyond 255, uint16.
    divisor : float
        What pixels still have to be divided by.
    confidence : float or None
        What scores still have to be compared with.
    changes : tuple of str
        What was done, for people.
    """

    model: ModelProto = field(repr=False)
    layout: Layout
    output_layout: Layout
    dtype: str
    gives: Literal["scores", "labels"]
    divisor: float
    confidence: float | None
    changes: tuple[str, ...]


def fuse(model: ModelProto, purpose: Purpose, *, channels: int | None = None) -> Fused:
    """Rewrite a network for a purpose.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out. It is not changed.
    purpose : Purpose
        What may be changed.
    channels : int or None
        Channels that go in, where the archive says so: settles an unclear layout.

    Raises
    ------
    ModelError
        Where the network is not one image in, one image out.
    """
    signature = read_signature(model, channels=channels)
    try:
        return _fuse(model, signature, purpose)
    except _WRONG:
        return Fused(
            model=model,
            layout=signature.layout,
            output_layout=signature.output_layout,
            dtype="float32",
            gives="scores",
            divisor=purpose.divisor,
            confidence=purpose.confidence,
            changes=(),
        )


def _fuse(model: ModelProto, signature: Signature, purpose: Purpose) -> Fused:
    draft = _draft(model, signature)
    changes: list[str] = []
    if loops := unroll(draft):
        changes.append(f"{loops} loop{'s' if loops > 1 else ''} written out")
    confidence = _scores(draft, purpose, changes)
    layout, output_layout = signature.layout, signature.output_layout
    if purpose.turned and output_layout == "NHWC" and channels_first_output(draft):
        output_layout = "NCHW"
        changes.append("output left channels-first")
    if purpose.turned and layout == "NHWC" and channels_first_input(draft):
        layout = "NCHW"
        changes.append("input taken channels-first")
    labels = _labels(draft, purpose, output_layout, changes)
    raw = purpose.pixels is not None and take_pixels(draft, purpose.pixels, purpose.divisor)
    if raw:
        changes.append(f"pixels taken as {purpose.pixels}")
    return Fused(
        model=draft.model if changes else model,
        layout=layout,
        output_layout=output_layout,
        dtype=purpose.pixels if raw and purpose.pixels else "float32",
        gives="labels" if labels else "scores",
        divisor=1.0 if raw else purpose.divisor,
        confidence=confidence,
        changes=tuple(changes),
    )


def _draft(model: ModelProto, signature: Signature) -> Draft:
    """A copy to change, without functions."""
    from onnx import ModelProto, inliner

    if model.functions:
        return Draft(model=inliner.inline_local_functions(model), signature=signature)
    copy = ModelProto()
    copy.CopyFrom(model)
    return Draft(model=copy, signature=signature)


def _scores(draft: Draft, purpose: Purpose, changes: list[str]) -> float | None:
    """Drop what only makes probabilities of scores; returns what they are to be compared with."""
    if purpose.task is Task.SEGMENTATION and purpose.confidence is None and drop_softmax(draft):
        changes.append("softmax dropped")
    if purpose.task is Task.MULTILABEL and purpose.confidence is not None:
        limit = drop_sigmoid(draft, purpose.confidence)
        if limit is not None:
            changes.append("sigmoid dropped")
            return limit
    return purpose.confidence


def _labels(draft: Draft, purpose: Purpose, layout: Layout, changes: list[str]) -> bool:
    wanted = purpose.task is Task.SEGMENTATION and purpose.confidence is None and bool(purpose.labels)
    if not wanted or purpose.labels is None or not choose(draft, purpose.labels, layout):
        return False
    changes.append("labels chosen inside")
    return True
