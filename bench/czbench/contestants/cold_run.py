"""A contestant: the shortest program that segments one image of at most one tile, from a cold start.

`python -m czbench.contestants.cold_run MODEL IMAGE OUT [--threads N]`: imports onnxruntime, loads the network, reads
the image, pads it by reflection to a tile, calls `session.run` once, writes the labels. One plane, channels last.
"""

from __future__ import annotations

import json
import time

import numpy as np

from czbench.contestants.archives import read_archive, read_arguments


def main() -> None:
    """Segment IMAGE with MODEL into the zarr array OUT."""
    start = time.perf_counter()
    import onnxruntime
    import zarr

    arguments = read_arguments(__doc__)
    archive = read_archive(arguments.model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(archive.network, options, providers=["CPUExecutionProvider"])
    plane = np.asarray(zarr.open_array(str(arguments.image / "0"), mode="r")[...])
    before = [(archive.tile - length) // 2 for length in plane.shape]
    padding = [(b, archive.tile - length - b) for b, length in zip(before, plane.shape, strict=True)]
    tile = (np.pad(plane, padding, mode="reflect") / np.iinfo(plane.dtype).max).astype(np.float32)
    scores = session.run(None, {session.get_inputs()[0].name: tile[np.newaxis, ..., np.newaxis]})[0]
    inside = tuple(slice(b, b + length) for b, length in zip(before, plane.shape, strict=True))
    labels = scores[0][inside].argmax(-1).astype("u1") + np.uint8(1)
    zarr.create_array(str(arguments.out), shape=plane.shape, dtype="u1", chunks=plane.shape)[...] = labels
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
