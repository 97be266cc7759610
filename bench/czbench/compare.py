"""Says how far two results agree: `python -m czbench.compare FIRST SECOND [--tolerance T]` prints one JSON line.

Both are zarr arrays of one plane; they are read a strip at a time. Types may differ, numbers count. It judges
nothing, and runs as a process of its own, see `measure`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two results, pixel by pixel.

    Attributes
    ----------
    pixels, differing : int
        How many were compared, and how many differ by more than the tolerance; a NaN and a number differ.
    largest : float
        Largest difference.
    constant : bool
        Whether the first result is one value everywhere; its agreement would prove nothing.
    dtypes, codecs : tuple of str
        How each result is stored.
    """

    pixels: int
    differing: int
    largest: float
    constant: bool
    dtypes: tuple[str, str]
    codecs: tuple[str, str]


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    found = asdict(compare(arguments.first, arguments.second, tolerance=arguments.tolerance))
    print(json.dumps({"seconds": time.perf_counter() - start, **found}))


def compare(first: Path, second: Path, *, tolerance: float = 0.0) -> Agreement:
    """Compare two zarr arrays of one plane, whatever length-1 axes stand before y and x.

    Raises
    ------
    ValueError
        Where they are not one plane of the same size.
    """
    import zarr

    left, right = (zarr.open_array(str(path), mode="r") for path in (first, second))
    height, width = _plane(left)
    if (height, width) != _plane(right):
        raise ValueError(f"{first} is {left.shape} and {second} is {right.shape}; nothing to compare")
    differing, largest, first_value, constant = 0, 0.0, None, True
    for y in range(0, height, _ROWS):
        a, b = (_strip(array, y) for array in (left, right))
        difference = _difference(a, b)
        differing += int(np.count_nonzero(~(difference <= tolerance)))
        largest = max(largest, float(np.fmax.reduce(difference, axis=None, initial=0.0)))
        first_value = a[0, 0] if first_value is None else first_value
        constant = constant and bool((a == first_value).all())
    return Agreement(
        pixels=height * width,
        differing=differing,
        largest=largest,
        constant=constant,
        dtypes=(str(left.dtype), str(right.dtype)),
        codecs=(_codecs(left), _codecs(right)),
    )


def _plane(array: Any) -> tuple[int, int]:
    height, width = array.shape[-2:]
    if array.size != height * width:
        raise ValueError(f"an array of shape {array.shape} is more than one plane")
    return height, width


def _strip(array: Any, y: int) -> Any:
    strip = np.asarray(array[(..., slice(y, y + _ROWS), slice(None))])
    return strip.reshape(-1, strip.shape[-1]).astype(np.float64)


def _difference(a: Any, b: Any) -> Any:
    """How far apart: 0 where both are the same infinity or both NaN, NaN where only one is."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(a - b)
    difference[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return difference


def _codecs(array: Any) -> str:
    return ", ".join(str(codec) for codec in array.compressors)


if __name__ == "__main__":
    main()
