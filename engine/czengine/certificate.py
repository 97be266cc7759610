"""The certificate: can tiling be seen in a network's result? Two statements and what follows from both.

The border is as large as the network looks far, and the tiles start on the network's stride grid: only both together
make tiling invisible. How far a network looks is found by `graph.reach`, where tiles lie by `plan`; here they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from czengine.errors import ModelError
from czengine.graph.reach import Reach, analyze
from czengine.graph.signature import parse_onnx
from czengine.plan import Span, TilePlan
from czengine.spec import ModelSpec, Runtime

_AXES = ("y", "x")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a network's graph proves about a border.

    Attributes
    ----------
    border : (y, x)
        Pixels per side that are inferred and thrown away.
    radius : (y, x) or None
        Pixels that an output looks at most to each side; None where the graph does not prove it.
    stride : (y, x) or None
        The stride grid: a picture moved by a multiple of it moves the result equally.
    reasons : tuple of str
        Nodes that look at the whole tile or are not understood, e.g. "gap (GlobalMaxPool)".
    """

    border: tuple[int, int]
    radius: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    reasons: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether no result that is kept depends on where its tile ends."""
        return self.radius is not None and all(b >= r for b, r in zip(self.border, self.radius, strict=True))

    @property
    def enough(self) -> tuple[int, int] | None:
        """The smallest border, (y, x), that is exact and keeps to the stride grid; None where nothing is proven."""
        if self.radius is None or self.stride is None:
            return None
        y, x = (-(-radius // step) * step for radius, step in zip(self.radius, self.stride, strict=True))
        return y, x

    @property
    def sentence(self) -> str:
        """The certificate in words, e.g. "border 64 ≥ radius 46: exact"."""
        if self.radius is None:
            return _unproven(self.reasons)
        pairs = list(zip(self.border, self.radius, strict=True))
        found = _along([f"border {b} {'≥' if b >= r else '<'} radius {r}" for b, r in pairs])
        if self.exact:
            return f"{found}: exact"
        wanted = [f"≥ {n}" if b < r else "" for (b, r), n in zip(pairs, self.enough or (), strict=True)]
        return f"{found}: seams possible; use {_along(wanted)}"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the tiles of a plane start.

    Attributes
    ----------
    stride : (y, x) or None
        The network's stride grid; None where it is not known.
    tiles : int
        How many there are.
    off : int or None
        How many of them start off the grid, counted from the first; None where it is not known.
    """

    stride: tuple[int, int] | None
    tiles: int
    off: int | None

    @property
    def exact(self) -> bool:
        """Whether the network sees every pixel in the same phase, whichever tile it is in."""
        return self.off == 0

    @property
    def sentence(self) -> str:
        """In words, e.g. "9 of 12 tiles start off the stride grid of 4 pixels: seams are possible with any border"."""
        if self.tiles == 1:
            return "one tile covers the plane"
        if self.stride is None:
            return "not known: the network has no certificate"
        y, x = self.stride
        grid = (
            f"the stride grid of {_pixels(y)}" if y == x else f"the stride grid of {y} × {_pixels(x)} (y × x)"
        )
        if self.exact:
            return f"all {self.tiles} tiles start on {grid}"
        return f"{self.off} of {self.tiles} tiles start off {grid}: seams are possible with any border"


def reach_of(spec: ModelSpec, network: bytes, *, tile: tuple[int, int] | None = None) -> Reach | None:
    """How far the network of an archive looks.

    Parameters
    ----------
    spec : ModelSpec
        Of the archive.
    network : bytes
        The network in it.
    tile : (height, width), optional
        Where it is not the archive's.

    Returns
    -------
    Reach or None
        None for a SavedModel, whose graph is not read.
    """
    if spec.runtime is not Runtime.ONNX:
        return None
    try:
        return analyze(parse_onnx(network), tile=tile or spec.tile, layout=spec.layout)
    except ModelError as error:
        return Reach(unknown=(f"{error}",))


def certify(reach: Reach | None, border: tuple[int, int]) -> Certificate:
    """What is proven about a border (y, x); `reach` as `reach_of` has it."""
    if reach is None:
        return Certificate(border=border)
    return Certificate(border=border, radius=reach.radius, stride=reach.stride, reasons=reach.unknown)


def on_grid(plan: TilePlan, stride: tuple[int, int] | None) -> Grid:
    """Where the tiles of a plane start on the stride grid (y, x); None where it is not known.

    A plane smaller than a tile is mirrored at its edges, and its only tile starts before the plane: that is where
    the grid begins then.
    """
    if stride is None:
        return Grid(stride=None, tiles=len(plan), off=None)
    rows, columns = (_on(spans, step) for spans, step in zip((plan.rows, plan.columns), stride, strict=True))
    return Grid(stride=stride, tiles=len(plan), off=len(plan) - rows * columns)


def verdict(certificate: Certificate, grid: Grid) -> str:
    """Whether tiling can be seen in the result, and why."""
    if grid.tiles == 1 or (certificate.exact and grid.exact):
        return "tiling cannot be seen in the result"
    if certificate.radius is None:
        return "nothing proves that tiling cannot be seen in the result"
    why = [] if certificate.exact else ["the border is too small"]
    why += [] if grid.exact else ["tiles start off the stride grid"]
    return f"tiling may be seen in the result: {' and '.join(why)}"


def _unproven(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return "not known: the graph of a SavedModel is not read; convert it to ONNX to find out"
    name, _, operator = reasons[0].removesuffix(")").rpartition(" (")
    first = f"{operator} at {name}" if name else reasons[0]
    more = f" and {len(reasons) - 1} more" if reasons[1:] else ""
    return f"not certifiable: {first}{more}"


def _along(texts: list[str]) -> str:
    """What is to be said of each axis, once where it is the same for both; empty texts are left out."""
    if texts[0] == texts[1]:
        return texts[0]
    return ", ".join(f"{text} along {axis}" for text, axis in zip(texts, _AXES, strict=True) if text)


def _on(spans: Sequence[Span], step: int) -> int:
    """How many of the spans start a multiple of `step` after the first one."""
    return sum((span.roi_start - spans[0].roi_start) % step == 0 for span in spans)


def _pixels(number: int) -> str:
    return f"{number} pixel{'' if number == 1 else 's'}"
