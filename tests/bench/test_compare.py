"""Comparing strip by strip gives what comparing everything at once gives."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from czbench import compare as module
from czbench.compare import compare, main
from tests.support.images import write_array

VALUES = st.sampled_from([0.0, 0.5, 1.0, 1.25, -3.0, float("nan"), float("inf")])


def brute(a: Any, b: Any, tolerance: float) -> tuple[int, float]:
    """Number of differing pixels and largest finite difference, one pixel after the other."""
    differing, largest = 0, 0.0
    for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        if x == y or (np.isnan(x) and np.isnan(y)):
            continue
        if not abs(x - y) <= tolerance:
            differing += 1
        if not np.isnan(x - y):
            largest = max(largest, abs(x - y))
    return differing, largest


@st.composite
def pairs(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 5)))
    first, second = (draw(arrays.arrays(np.float32, shape, elements=VALUES)) for _ in range(2))
    return first, second


@settings(max_examples=40)
@given(pair=pairs(), tolerance=st.sampled_from([0.0, 0.25, 1.0]), rows=st.integers(1, 10))
def test_strips_give_what_the_whole_gives(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]], tolerance: float, rows: int
) -> None:
    first, second = pair
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", rows)
        paths = [
            write_array(Path(folder) / name, data) for name, data in (("a", first), ("b", second[np.newaxis]))
        ]
        found = compare(*paths, tolerance=tolerance)
    assert (found.differing, found.largest) == brute(first, second, tolerance)
    assert found.pixels == first.size
    assert found.constant == bool((first == first[0, 0]).all())


def test_numbers_count_not_types(tmp_path: Path) -> None:
    data = np.arange(12).reshape(3, 4)
    first = write_array(tmp_path / "a", data.astype(np.uint8))
    second = write_array(tmp_path / "b", data.astype(np.float32), zarr_format=2)
    found = compare(first, second)
    assert (found.differing, found.constant, found.dtypes) == (0, False, ("uint8", "float32"))


def test_differences_of_small_whole_numbers_do_not_wrap(tmp_path: Path) -> None:
    first = write_array(tmp_path / "a", np.array([[0, 255]], np.uint8))
    second = write_array(tmp_path / "b", np.array([[255, 0]], np.uint8))
    found = compare(first, second)
    assert (found.differing, found.largest) == (2, 255.0)


def test_codecs_are_named(tmp_path: Path) -> None:
    data = np.zeros((4, 4), np.uint8)
    blosc = {"compressors": [{"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 1}]}
    first = write_array(tmp_path / "a", data, zarr_format=2, **blosc)
    second = write_array(tmp_path / "b", data)
    codecs = compare(first, second).codecs
    assert "Blosc" in codecs[0]
    assert "zstd" in codecs[0]
    assert "Zstd" in codecs[1]


@pytest.mark.parametrize("shape", [(4, 5), (1, 5, 4), (2, 4, 4)])
def test_other_sizes_and_stacks_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    first = write_array(tmp_path / "a", np.zeros((4, 4)))
    second = write_array(tmp_path / "b", np.zeros(shape))
    with pytest.raises(ValueError, match=r"nothing to compare|more than one plane"):
        compare(first, second)


def test_the_program_prints_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_array(tmp_path / "a", np.array([[1.0, 2.0]]))
    second = write_array(tmp_path / "b", np.array([[1.5, 2.1]]))
    monkeypatch.setattr("sys.argv", ["compare", str(first), str(second), "--tolerance", "0.2"])
    main()
    found = json.loads(capsys.readouterr().out)
    assert found["differing"] == 1
    assert found["largest"] == pytest.approx(0.5)
    assert found["seconds"] >= 0
