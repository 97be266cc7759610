"""Which tiling a model gets: tile size, border, grid; from the archive, the options, and what the graph proves.

Decides once per model; `plan` and `seamless` then place the tiles of every image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from czengine.certificate import certify, reach_of
from czengine.config import RunOptions, TilingMethod, TilingOptions
from czengine.errors import PlanError
from czengine.graph.memory import activation_bytes
from czengine.graph.reach import analyze
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx
from czengine.model import Model
from czengine.plan import TilePlan, plan_plane
from czengine.seamless import plan_seamless, seamless_tile
from czengine.spec import Runtime

if TYPE_CHECKING:
    from onnx import ModelProto

Pair = tuple[int, int]

_PROBE = 1024  # pixels per side of the tile that memory is estimated for


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How the planes of every image are cut.

    Attributes
    ----------
    tile : (height, width)
        Of a tile; for "seamless" the largest there may be.
    before, after : (y, x)
        Smallest border towards the first, and towards the last, row and column.
    stride : (y, x) or None
        The grid that seamless tiles begin on; None for "intellesis".
    notes : tuple of str
        What a user should know.
    """

    tile: Pair
    before: Pair
    after: Pair
    stride: Pair | None = None
    notes: tuple[str, ...] = ()

    @property
    def method(self) -> TilingMethod:
        """Which rule places the tiles."""
        return "intellesis" if self.stride is None else "seamless"

    @property
    def border(self) -> Pair:
        """Smallest border on either side, (y, x)."""
        return _larger(self.before, self.after)

    def plan(self, height: int, width: int) -> TilePlan:
        """The tiles of a plane.

        Raises
        ------
        PlanError
            Where tile and border do not make a tiling.
        """
        if self.stride is None:
            return plan_plane(height, width, tile=self.tile, border=self.border)
        return plan_seamless(
            height, width, tile=self.tile, before=self.before, after=self.after, stride=self.stride
        )


def choose_tiling(model: Model, options: TilingOptions, run: RunOptions) -> Tiling:
    """Settle tile and border of a model.

    Raises
    ------
    PlanError
        Where tiling cannot be seamless, or the border is too narrow for that; the message names the reason.
    ModelError
        Where the network does not take tiles of the size asked for.
    """
    if options.method == "seamless":
        return _seamless(model, options, run)
    return _intellesis(model, options)


def _intellesis(model: Model, options: TilingOptions) -> Tiling:
    spec = model.spec
    tile, border = options.tile or spec.tile, options.border or spec.border
    notes: tuple[str, ...] = ()
    if tile != spec.tile:
        retile(_graph(model, "tile-size"), tile)  # refuses sizes that the network does not take
    if options.border is not None:
        certificate = certify(reach_of(spec, model.network), border)
        notes = () if certificate.exact else (certificate.sentence,)
    return Tiling(tile=tile, before=border, after=border, notes=notes)


def _seamless(model: Model, options: TilingOptions, run: RunOptions) -> Tiling:
    graph = retile(_graph(model, "tiling seamless"), None)
    reach = analyze(graph, layout=model.spec.layout)
    before, after, stride = reach.before, reach.after, reach.stride
    if before is None or after is None or stride is None:
        reason = certify(reach, model.spec.border).sentence
        raise PlanError(f"tiling cannot be seamless: {reason}; use --tiling intellesis")
    border = options.border or (0, 0)
    radius = _larger(before, after)
    if options.border is not None and _larger(border, radius) != border:
        raise PlanError(
            f"a border of {border[0]} and {border[1]} pixels is too narrow to be seamless: the network looks"
            f" {radius[0]} and {radius[1]} pixels far (y, x); leave --border out"
        )
    before, after = _larger(before, border), _larger(after, border)
    tile = options.tile or seamless_tile(
        before=before,
        after=after,
        stride=stride,
        bytes_per_pixel=_bytes_per_pixel(graph),
        budget=run.memory_limit,
        batch=model.spec.fixed_batch or run.batch,
    )
    return Tiling(tile=tile, before=before, after=after, stride=stride)


def _graph(model: Model, what: str) -> ModelProto:
    if model.spec.runtime is not Runtime.ONNX:
        raise PlanError(f"{what} needs a network stored as ONNX; convert the model first: czengine convert")
    return parse_onnx(model.network)


def _bytes_per_pixel(graph: ModelProto) -> float:
    """What the network holds while it runs, per pixel of a large tile; 0 where the graph does not say."""
    held = activation_bytes(graph, (_PROBE, _PROBE), 1)
    return 0.0 if held is None else held / _PROBE**2


def _larger(one: Pair, other: Pair) -> Pair:
    return max(one[0], other[0]), max(one[1], other[1])
