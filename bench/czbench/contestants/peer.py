"""A contestant: napari-czann-segment's `predict_ndarray`, called as its dialog calls it.

Runs in an interpreter of its own, which has that package but none of ours, so this file imports nothing of czbench:
`PYTHON .../contestants/peer.py MODEL IMAGE OUT`. The image is read whole (its users hand it an array), the defaults
are its users' (cztile layout, border from the archive, 8 tiles a call, a new session for every call), the labels are
written as one zarr array. It reads legacy archives only where they end in .czseg, places no border but the
square one, does not pad images that are smaller than a tile, and gives labels in the image's own type.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Segment IMAGE with MODEL into the zarr array OUT; the last line printed says how long the prediction took."""
    import numpy as np
    import zarr

    predict_ndarray = import_module("napari_czann_segment.predict").predict_ndarray
    model, image, out = sys.argv[1:]
    pixels = np.asarray(zarr.open_array(str(Path(image) / "0"), mode="r")[...])
    start = time.perf_counter()
    _, labels = predict_ndarray(model, pixels)
    seconds = time.perf_counter() - start
    chunks = (1,) * (labels.ndim - 2) + (1024, 1024)
    zarr.create_array(out, shape=labels.shape, dtype=labels.dtype, chunks=chunks)[...] = labels
    print(json.dumps({"seconds": seconds, "dtype": str(labels.dtype)}))


if __name__ == "__main__":
    main()
