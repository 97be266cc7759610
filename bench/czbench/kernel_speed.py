"""The kernels against a memcpy: how many times its speed each reaches, on the same bytes and threads.

`python -m czbench.kernel_speed` prints a table in JSON: for each case, kernels and number of threads the ratio
"time of copying the float side of the call / time of the call", and for calls without one, of what they read.
Both are timed in turns, in one run; the median of the ratios of neighbours counts. 1.0 is as fast as memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels import load
from czengine.kernels.base import Kernels

_Case = tuple[str, Callable[[Kernels], object], int]  # name, call, bytes of the copy

_EDGE = 17  # pixels around a tile in what it is cut from: lines start anywhere


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024, help="edge of a tile in pixels")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--kernels", nargs="+", default=["native", "numba"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    arguments = parser.parse_args()
    cases = [case for case in _cases(arguments.side) if arguments.only in case[0]]
    table = [
        {"case": case[0]}
        | {
            f"{name} x{threads}": _ratio(case, load(name, threads=threads), threads, arguments.repeats)
            for name in arguments.kernels
            for threads in arguments.threads
        }
        for case in cases
    ]
    print("[\n" + ",\n".join(map(json.dumps, table)) + "\n]")


# ------------------------------------------------------------------------------------------- cases


def _cases(side: int) -> Iterator[_Case]:
    for channels, layout in ((1, "NHWC"), (3, "NHWC"), (3, "NCHW")):
        for dtype in ("uint8", "uint16", "float32"):
            yield _gather_case(side, channels, layout, dtype, "float32")
        yield _gather_case(side, channels, layout, "uint16", "uint16")
    for dtype in ("uint8", "uint16"):
        yield _gather_case(side, 3, "NHWC", dtype, "float32", source_layout="NHWC")
    for classes in (2, 3, 5, 10):
        for layout in ("NHWC", "NCHW"):
            yield _argmax_case(side, classes, layout)
    for layout in ("NHWC", "NCHW"):
        yield from _plane_cases(side, 3, layout)
    yield from _survey_cases(side)


def _gather_case(
    side: int, channels: int, layout: str, dtype: str, wanted: str, source_layout: str = "NCHW"
) -> _Case:
    around = _laid_out(_noise((side + 2 * _EDGE, side + 2 * _EDGE, channels), dtype), source_layout)
    source = around[_EDGE:-_EDGE, _EDGE:-_EDGE].transpose(2, 0, 1)
    out = _laid_out(np.zeros((side, side, channels), wanted), layout)
    order, divisor = np.arange(channels)[::-1].copy(), 1.0 if dtype == wanted else 255.0
    name = f"gather {dtype} to {wanted}, {channels} {layout}"
    name += f" from {source_layout}" if source_layout != "NCHW" else ""
    return name, lambda kernels: kernels.gather(source, order, divisor, 1.0, out), out.nbytes


def _argmax_case(side: int, classes: int, layout: str) -> _Case:
    scores = _laid_out(_noise((side, side, classes), "float32"), layout)
    labels, out = np.arange(1, classes + 1, dtype=np.uint8), np.zeros((side, side), np.uint8)
    name = f"argmax {classes} {layout}"
    return name, lambda kernels: kernels.argmax(scores, labels, 0.5, out), scores.nbytes


def _plane_cases(side: int, classes: int, layout: str) -> Iterator[_Case]:
    scores = _laid_out(_noise((side, side, classes), "float32"), layout)
    binary, floats = (np.zeros((classes, side, side), dtype) for dtype in (np.uint8, np.float32))
    size = scores.nbytes
    yield f"threshold {classes} {layout}", lambda kernels: kernels.threshold(scores, 0.5, binary), size
    yield f"copy {classes} {layout}", lambda kernels: kernels.copy(scores, floats), size


def _survey_cases(side: int) -> Iterator[_Case]:
    for dtype in (np.uint8, np.uint16):
        counts = np.zeros(np.iinfo(dtype).max + 1, np.int64)
        for name, labels in (("blobs", _blobs(side, dtype)), ("noise", _noise((side, side), dtype))):
            yield f"count {np.dtype(dtype)} {name}", _count_call(labels, counts), labels.nbytes
        empty = np.zeros((1, side, side), dtype)
        yield f"is_uniform {np.dtype(dtype)}", _is_uniform_call(empty), empty.nbytes


def _count_call(labels: NDArray[Any], counts: NDArray[np.int64]) -> Callable[[Kernels], object]:
    return lambda kernels: kernels.count(labels, counts)


def _is_uniform_call(pixels: NDArray[Any]) -> Callable[[Kernels], object]:
    return lambda kernels: kernels.is_uniform(pixels)


def _noise(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    rng = np.random.default_rng(1)
    top = 1 if np.dtype(dtype).kind == "f" else int(np.iinfo(dtype).max)
    values: NDArray[Any] = (rng.random(shape) * top).astype(dtype)
    return values


def _blobs(side: int, dtype: Any) -> NDArray[Any]:
    """Labels 0 to 3 in spots some 60 pixels wide, as segmentations are."""
    y, x = np.mgrid[:side, :side] / 20.0
    blobs: NDArray[Any] = (np.sin(x) * np.sin(y) * 3.9).clip(0).astype(dtype)
    return blobs


def _laid_out(values: NDArray[Any], layout: str) -> NDArray[Any]:
    """(y, x, channel) values, in memory as `layout` says."""
    return values if layout == "NHWC" else np.ascontiguousarray(values.transpose(2, 0, 1)).transpose(1, 2, 0)


# ------------------------------------------------------------------------------------------- timing


def _ratio(case: _Case, kernels: Kernels, threads: int, repeats: int) -> float:
    _, call, size = case
    source, target = np.ones(size // 4, np.float32), np.zeros(size // 4, np.float32)
    pairs = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            if threads == 1:
                np.copyto(target, source)
            else:
                list(pool.map(lambda pair: np.copyto(*pair), pairs))

        copy()
        call(kernels)  # the first call of Numba compiles
        ratios = [_seconds(copy) / _seconds(lambda: call(kernels)) for _ in range(repeats)]
    return round(statistics.median(ratios), 2)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
