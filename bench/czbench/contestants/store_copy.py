"""A contestant that computes nothing: tensorstore copies an array, chunk by chunk, with the codec it has.

`python -m czbench.contestants.store_copy IMAGE OUT [--dtype float32] [--threads N]`. With `--dtype` the numbers are
cast on the way, so that as many bytes are compressed and written as by an engine that writes scores. Reads and writes
NGFF 0.4 arrays (zarr 2). tensorstore's own defaults: no cache, every file synced to disk.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Copy level 0 of IMAGE to the zarr array OUT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    seconds = _copy(arguments.image / "0", arguments.out, arguments.dtype, arguments.threads)
    print(json.dumps({"seconds": seconds}))


def _copy(image: Path, out: Path, dtype: str | None, threads: int) -> float:
    import tensorstore as ts

    limit = {"limit": threads} if threads else {}
    # As czengine: files are not forced to the disk one by one.
    context = ts.Context({"data_copy_concurrency": limit, "file_io_sync": False})
    start = time.perf_counter()
    source = ts.open(_spec(image), context=context, read=True).result()
    target = ts.open(
        _spec(out),
        context=context,
        create=True,
        dtype=ts.dtype(dtype) if dtype else source.dtype,
        shape=source.shape,
        codec=source.codec,
        chunk_layout=source.chunk_layout,
    ).result()
    target.write(ts.cast(source, target.dtype)).result()
    return time.perf_counter() - start


def _spec(path: Path) -> dict[str, Any]:
    return {"driver": "zarr", "kvstore": {"driver": "file", "path": str(path.resolve())}}


if __name__ == "__main__":
    main()
