"""Which tiling a model gets: tile size, border, grid; from the archive, the options, and what the graph proves.

Decides once per model; `plan` and `seamless` then place the tiles of every image.
"""

from __future__ import annotations

from dataclasses import dataclass

from czengine.certificate import certify
from czengine.config import TilingMethod, TilingOptions
from czengine.errors import PlanError
from czengine.graph.memory import activation_bytes
from czengine.graph.reach import Reach, analyze
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx
from czengine.model import Model
from czengine.plan import TilePlan, plan_plane
from czengine.seamless import plan_seamless, seamless_tile
from czengine.spec import Runtime

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How the planes of every image are cut.

    Attributes
    ----------
    method : {"intellesis", "seamless"}
        Which rule places the tiles.
    tile : (height, width)
        Of a tile; for "seamless" the largest there may be.
    border : (y, x)
        Smallest border per side; for "seamless" the larger side.
    reach : Reach or None
        What the graph proves, where that was asked for.
    notes : tuple of str
        What a user should know.
    """

    method: TilingMethod
    tile: Pair
    border: Pair
    reach: Reach | None = None
    notes: tuple[str, ...] = ()

    def plan(self, height: int, width: int) -> TilePlan:
        """The tiles of a plane.

        Raises
        ------
        PlanError
            Where tile and border do not make a tiling.
        """
        if self.method == "intellesis" or self.reach is None:
            return plan_plane(height, width, tile=self.tile, border=self.border)
        before, after, stride = self.reach.before, self.reach.after, self.reach.stride
        if before is None or after is None or stride is None:
            raise PlanError("seamless tiling was asked for without a proof; use --tiling intellesis")
        return plan_seamless(
            height,
            width,
            tile=self.tile,
            before=_larger(before, self.border),
            after=_larger(after, self.border),
            stride=stride,
        )
