"""Which tiling a model gets: tile size, border, grid; from the archive, the options, and what the graph proves.

Decides once per model; `plan` and `seamless` then place the tiles of every image.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from czengine.certificate import Certificate, certify
from czengine.config import RunOptions, TilingMethod, TilingOptions
from czengine.errors import ModelError, OptionError, PlanError
from czengine.graph.reach import Reach, analyze
from czengine.graph.signature import parse_onnx
from czengine.model import Model
from czengine.plan import TilePlan, plan_plane
from czengine.seamless import plan_seamless
from czengine.spec import ModelSpec, Runtime
