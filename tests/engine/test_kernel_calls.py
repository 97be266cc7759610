"""Calling kernels: from several threads, with what does not fit, and in an installation that lacks something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import czengine.kernels
from czengine.kernels.base import OPAQUE, Kernels
from czengine.kernels.pool import PooledKernels
from czengine.kernels.reference import ReferenceKernels
from tests.support.kernels import every_kernel, fast_kernels, kernels, pixels

ONE = np.array([0])


@fast_kernels
def test_many_threads_may_call_at_once(name: str) -> None:
    rng = np.random.default_rng(1)
    source, scores = pixels(rng, (2, 300, 500), "u2"), rng.random((300, 500, 4), np.float32)
    labels = np.arange(1, 5, dtype=np.uint8)
    shared = kernels(name, threads=4)

    def job(one: Kernels) -> tuple[NDArray[Any], ...]:
        tile, out = np.empty((300, 500, 2), np.float32), np.empty((300, 500), np.uint8)
        binary, floats = np.empty((4, 300, 500), np.uint8), np.empty((4, 300, 500), np.float32)
        counts = np.zeros(256, np.int64)
        one.gather(source, np.array([1, 0]), 255.0, 0.0, tile)
        one.argmax(scores, labels, 0.5, out)
        one.threshold(scores, 0.5, binary)
        one.copy(scores, floats)
        one.count(out, counts)
        return tile, out, binary, floats, counts, np.array(one.is_uniform(source))

    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(job, [shared] * 30))

    wanted = job(ReferenceKernels())
    for result in results:
        for got, right in zip(result, wanted, strict=True):
            assert_array_equal(got, right)


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 50])
def test_rows_are_split_into_as_many_pieces_as_there_are_threads(threads: int) -> None:
    seen = []

    class Watched(ReferenceKernels):
        def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
            seen.append(scores[:, 0, 0].tolist())
            super().copy(scores, out)

    scores, out = np.arange(20.0).reshape(20, 1, 1), np.zeros((1, 20, 1), np.float32)
    PooledKernels(Watched(), threads, piece=1).copy(scores, out)

    assert len(seen) == min(threads, 20)
    assert sorted(row for piece in seen for row in piece) == list(range(20))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    assert out.ravel().tolist() == list(range(20))


def test_small_calls_stay_on_one_thread() -> None:
    seen = []

    class Watched(ReferenceKernels):
        def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
            seen.append(labels.shape)
            super().count(labels, counts)

    pooled = PooledKernels(Watched(), 4, piece=1000)
    pooled.count(np.zeros((60, 60), np.uint8), np.zeros(256, np.int64))  # three times 1000 pixels
    assert sorted(seen) == [(20, 60)] * 3
    pooled.count(np.zeros((60, 60), np.uint16), np.zeros(65536, np.int64))  # a table is more than they are
    assert seen[3:] == [(60, 60)]


@every_kernel
def test_an_error_in_a_helper_thread_reaches_the_caller(name: str) -> None:
    out = np.empty((5, 4, 1), np.float32)  # one row too many: only the last piece is wrong
    with pytest.raises(ValueError, match="out has shape"):
        kernels(name, threads=4).gather(np.zeros((1, 4, 4)), ONE, 1.0, 0.0, out)


# ------------------------------------------------------------------------------------------- refusals


@fast_kernels
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 2)])
def test_argmax_names_both_shapes(name: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"out has shape \({shape[0]}, {shape[1]}\), \(4, 4\) is needed"):
        kernels(name).argmax(np.zeros((4, 4, 2)), np.array([1, 2], np.uint8), 0.0, np.zeros(shape, np.uint8))


@fast_kernels
@pytest.mark.parametrize("count", [1, 3])
def test_argmax_wants_one_label_per_class(name: str, count: int) -> None:
    labels = np.arange(1, count + 1, dtype=np.uint8)
    with pytest.raises(ValueError, match=rf"labels has shape \({count},\), \(2,\) is needed"):
        kernels(name).argmax(np.zeros((4, 4, 2)), labels, 0.0, np.zeros((4, 4), np.uint8))


@every_kernel
def test_argmax_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"class|shape|zero-size"):
        kernels(name).argmax(np.zeros((1, 1, 0)), np.zeros(0, np.uint8), 0.0, np.zeros((1, 1), np.uint8))


@fast_kernels
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [3, 5])
def test_no_split_hides_a_wrong_shape(name: str, threads: int, rows: int) -> None:
    fast, scores = kernels(name, threads), np.zeros((4, 4, 2))
    with pytest.raises(ValueError, match="out has shape"):
        fast.argmax(scores, np.array([1, 2], np.uint8), 0.5, np.zeros((rows, 4), np.uint8))
    with pytest.raises(ValueError, match="out has shape"):
        fast.threshold(scores, 0.5, np.zeros((2, rows, 4), np.uint8))
    with pytest.raises(ValueError, match="out has shape"):
        fast.copy(scores, np.zeros((2, rows, 4), np.float32))
    with pytest.raises(ValueError, match="out has shape"):
        fast.gather(np.zeros((1, 4, 1)), ONE, 1.0, 0.0, np.zeros((rows, 1, 1), np.float32))


@every_kernel
@pytest.mark.parametrize("shape", [(4, 5, 1), (5, 4, 1), (4, 4, 2), (4, 4, 0)])
@pytest.mark.parametrize("dtype", ["u2", "f2"])
def test_gather_names_both_shapes(name: str, shape: tuple[int, int, int], dtype: str) -> None:
    message = rf"out has shape \({shape[0]}, {shape[1]}, {shape[2]}\), \(4, 4, 1\) is needed"
    with pytest.raises(ValueError, match=message):
        kernels(name).gather(np.zeros((1, 4, 4), dtype), ONE, 1.0, 0.0, np.zeros(shape, np.float32))


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "f2", "f4"])
@pytest.mark.parametrize("index", [-2, 3])
def test_gather_reads_nothing_outside_the_source(name: str, dtype: str, index: int) -> None:
    source = np.zeros((3, 3, 3), dtype)
    for wanted in {source.dtype, np.dtype(np.float32)}:
        out = np.empty((3, 3, 1), wanted)
        with pytest.raises(IndexError, match=f"channels run from {index} to {index} in an axis of 3"):
            kernels(name).gather(source, np.array([index]), divisor=1.0, constant=0.0, out=out)


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f8"])
def test_gather_joins_no_other_types(name: str, dtype: str) -> None:
    with pytest.raises(TypeError, match=r"out is of uint32"):
        kernels(name).gather(np.zeros((1, 2, 2), dtype), ONE, 1.0, 0.0, np.zeros((2, 2, 1), np.uint32))


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f8"])
def test_a_copy_divides_by_nothing(name: str, dtype: str) -> None:
    with pytest.raises(ValueError, match=r"divisor is 255\.0+, 1\.0 is needed for a copy of"):
        kernels(name).gather(np.zeros((1, 2, 2), dtype), ONE, 255.0, 0.0, np.zeros((2, 2, 1), dtype))


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u8", "i8"])
def test_a_copy_holds_constants_of_its_type_only(name: str, dtype: str) -> None:
    one, top, out = kernels(name), float(np.iinfo(dtype).max), np.zeros((1, 1, 1), dtype)
    source, opaque = np.zeros((1, 1, 1), dtype), np.array([OPAQUE])
    if top < 2**53:
        one.gather(source, opaque, 1.0, top, out)
        assert out.item() == top
    for beyond in (2 * top, -2 * top, np.nan):
        with pytest.raises(ValueError, match=f"which {np.dtype(dtype)} does not hold"):
            one.gather(source, opaque, 1.0, beyond, out)


@every_kernel
@pytest.mark.parametrize(("dtype", "size"), [("u1", 255), ("u1", 65536), ("u2", 256)])
def test_count_wants_one_element_per_value(name: str, dtype: str, size: int) -> None:
    with pytest.raises(
        ValueError, match=rf"counts has shape \({size},\), \({np.iinfo(dtype).max + 1},\) is needed"
    ):
        kernels(name).count(np.zeros((2, 2), dtype), np.zeros(size, np.int64))


@pytest.mark.parametrize("wrong", ["byte order", "indices", "rank", "read-only"])
def test_native_gather_converts_nothing(wrong: str) -> None:
    source, out = np.zeros((1, 1, 1), np.uint16), np.zeros((1, 1, 1), np.float32)
    out.flags.writeable = wrong != "read-only"
    given = {
        "source": source.astype(">u2") if wrong == "byte order" else source[0] if wrong == "rank" else source,
        "channels": ONE.astype(np.int32) if wrong == "indices" else ONE,
    }
    with pytest.raises(TypeError, match="incompatible function arguments"):
        kernels("native").gather(**given, divisor=1.0, constant=0.0, out=out)


def test_native_kernels_name_the_type_that_does_not_fit() -> None:
    native, scores, labels = kernels("native"), np.zeros((1, 1, 1), np.float32), np.array([1], np.uint8)
    with pytest.raises(TypeError, match="scores is of uint8, needed is one of float32 float64"):
        native.argmax(scores.astype(np.uint8), labels, 0.0, np.zeros((1, 1), np.uint8))
    with pytest.raises(TypeError, match="labels is of int64, needed is one of uint8 uint16"):
        native.argmax(scores, ONE, 0.0, np.zeros((1, 1), np.int64))
    with pytest.raises(TypeError, match="out is of uint16, needed is one of uint8"):
        native.argmax(scores, labels, 0.0, np.zeros((1, 1), np.uint16))
    with pytest.raises(TypeError, match="out is of bool, needed is one of uint8"):
        native.threshold(scores, 0.5, np.zeros((1, 1, 1), bool))
    with pytest.raises(TypeError, match="out is of float64, needed is one of float32"):
        native.copy(scores, np.zeros((1, 1, 1)))
    with pytest.raises(TypeError, match="labels is of int64, needed is one of uint8 uint16"):
        native.count(np.zeros((1, 1), np.int64), np.zeros(256, np.int64))
    with pytest.raises(TypeError, match="counts is of int32, needed is one of int64"):
        native.count(np.zeros((1, 1), np.uint8), np.zeros(256, np.int32))
    with pytest.raises(TypeError, match="source is of complex64, needed is one of"):
        native.gather(np.zeros((1, 1, 1), np.complex64), ONE, 1.0, 0.0, scores)
    with pytest.raises(TypeError, match="pixels are of complex128, at most 64 bits"):
        native.is_uniform(np.zeros((1, 1, 1), np.complex128))


def test_native_counts_lie_one_after_the_other() -> None:
    with pytest.raises(ValueError, match="counts are not one after the other"):
        kernels("native").count(np.zeros((1, 1), np.uint8), np.zeros(512, np.int64)[::2])


# ------------------------------------------------------------------------------------------- loading


def run_python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_kernels_is_light() -> None:
    code = "import sys, czengine.kernels; print([m for m in ('numba', 'llvmlite') if m in sys.modules])"
    assert run_python(code).strip() == "[]"


WITHOUT_NATIVE_PART = "import sys; sys.modules['czengine._native'] = None  # as if it had not been built\n"
ONE_PIXEL = """
import sys, numpy as np
from czengine.kernels import load
loops = load({name!r}, threads=2)
tile, label = np.empty((1, 1, 1), np.float32), np.empty((1, 1), np.uint8)
loops.gather(np.full((1, 1, 1), 9, np.uint16), np.array([0]), 1.0, 0.0, tile)
loops.argmax(tile, np.array([7], np.uint8), 0.0, label)
loops.threshold(tile, 0.5, np.empty((1, 1, 1), np.uint8))
loops.copy(tile, np.empty((1, 1, 1), np.float32))
loops.count(label, np.zeros(256, np.int64))
loops.is_uniform(tile)
print(tile.item(), label.item(), "numba" in sys.modules)
"""


@pytest.mark.parametrize("name", ["native", "auto"])
def test_native_kernels_do_without_numba(name: str) -> None:
    kernels("native")  # skips where they are not installed
    assert run_python(ONE_PIXEL.format(name=name)).split() == ["9.0", "7", "False"]


def test_auto_is_numba_without_a_native_part() -> None:
    said = run_python(WITHOUT_NATIVE_PART + ONE_PIXEL.format(name="auto"))
    assert said.split() == ["9.0", "7", "True"]


def test_missing_native_part_is_explained() -> None:
    code = (
        WITHOUT_NATIVE_PART
        + """
from czengine.errors import DeviceError
from czengine.kernels import load
try:
    load("native", threads=1)
except DeviceError as error:
    print(error)
"""
    )
    message = run_python(code)
    assert "native kernels are not installed" in message
    assert "C++ compiler" in message
    assert "CZENGINE_KERNELS" in message


@pytest.mark.parametrize("cache", ["writable", "nowhere"])
def test_compiled_kernels_work_without_a_folder_for_machine_code(tmp_path: Path, cache: str) -> None:
    installed = Path(czengine.kernels.__file__).parents[1]
    copy = tmp_path / "czengine"
    shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if cache == "nowhere":
        (copy / "kernels/__pycache__").touch()  # a file where the folder should be
    code = """
import numpy as np, czengine.kernels as k
out = np.zeros((1, 1), np.uint8)
k.load("numba", threads=1).argmax(np.array([[[1.0, 2.0]]]), np.array([1, 2], np.uint8), 0.0, out)
print(k.__file__, out.item())
"""
    nowhere = str(tmp_path / "nowhere/file")
    (tmp_path / "nowhere").touch()
    said = run_python(
        code, PYTHONPATH=str(tmp_path), HOME=nowhere, XDG_CACHE_HOME=nowhere, NUMBA_CACHE_DIR=""
    )
    assert said.split() == [str(copy / "kernels/__init__.py"), "2"]
    assert bool(list(copy.glob("kernels/__pycache__/*.nbc"))) == (cache == "writable")
