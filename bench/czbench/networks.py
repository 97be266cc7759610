"""Makes the archive whose network does nothing: `python -m czbench.networks PATH` writes a .czann with one Cast.

What remains of a run is what an engine adds: reading, cutting, handing over, putting together, writing.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

TILE = 1024


def main() -> None:
    """Write the archive."""
    write_cast_archive(Path(sys.argv[1]))


def write_cast_archive(path: Path) -> None:
    """A regression network of one operator, Cast to float32, on tiles of 1024 × 1024 without border."""
    metadata = {
        "Id": "00000000-0000-4000-8000-0000000000ca",
        "Type": "Regression",
        "InputShape": [TILE, TILE, 1],
        "OutputShape": [TILE, TILE, 1],
        "MinOverlap": [0, 0],
        "ModelName": "cast",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps(metadata))
        archive.writestr("model.model", _network())


def _network() -> bytes:
    from onnx import TensorProto, helper

    shape: list[str | int | None] = ["batch", TILE, TILE, 1]
    graph = helper.make_graph(
        [helper.make_node("Cast", ["input"], ["output"], to=TensorProto.FLOAT)],
        "cast",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", 12)]
    network: bytes = helper.make_model(graph, opset_imports=opset, ir_version=7).SerializeToString()
    return network


if __name__ == "__main__":
    main()
