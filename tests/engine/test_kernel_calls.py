"""Calling kernels: from several threads, with what does not fit, and in an installation that lacks something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import czengine.kernels
from czengine.kernels.reference import ReferenceKernels
from tests.support.kernels import every_kernel, fast_kernels, kernels, pixels


@fast_kernels
def test_many_threads_may_call_at_once(name: str) -> None:
    rng = np.random.default_rng(1)
    source, scores = pixels(rng, (2, 300, 500), "u2"), rng.random((300, 500, 4), np.float32)
    labels, indices = np.arange(1, 5, dtype=np.uint8), (np.arange(300), np.arange(500))
    shared = kernels(name, threads=4)

    def job(_: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        tile, out = np.empty((300, 500, 2), np.float32), np.empty((300, 500), np.uint8)
        shared.gather(source, np.array([1, 0]), *indices, 255.0, 0.0, tile)
        shared.argmax(scores, labels, 0.5, out)
        return tile, out

    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(job, range(60)))

    wanted = np.empty((300, 500, 2), np.float32), np.empty((300, 500), np.uint8)
    ReferenceKernels().gather(source, np.array([1, 0]), *indices, 255.0, 0.0, wanted[0])
    ReferenceKernels().argmax(scores, labels, 0.5, wanted[1])
    for tile, out in results:
        assert_array_equal(tile, wanted[0])
        assert_array_equal(out, wanted[1])


@every_kernel
def test_an_error_in_a_helper_thread_reaches_the_caller(name: str) -> None:
    columns = np.zeros(4, np.int64)
    rows = np.array([0, 0, 0, 9])  # only the last piece is wrong
    out = np.empty((4, 4, 1), np.float32)

    with pytest.raises(IndexError):
        kernels(name, threads=4).gather(np.zeros((1, 1, 1)), np.array([0]), rows, columns, 1.0, 0.0, out)


# ------------------------------------------------------------------------------------------- refusals


@fast_kernels
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 2)])
def test_argmax_names_both_shapes(name: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"out has shape \(.*\(4, 4"):
        kernels(name).argmax(np.zeros((4, 4, 2)), np.array([1, 2], np.uint8), 0.0, np.zeros(shape, np.uint8))


@fast_kernels
@pytest.mark.parametrize("count", [1, 3])
def test_argmax_wants_one_label_per_class(name: str, count: int) -> None:
    labels = np.arange(1, count + 1, dtype=np.uint8)
    with pytest.raises(ValueError, match=rf"labels has shape \({count},\).*2"):
        kernels(name).argmax(np.zeros((4, 4, 2)), labels, 0.0, np.zeros((4, 4), np.uint8))


@every_kernel
def test_argmax_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"class|shape|zero-size"):
        kernels(name).argmax(np.zeros((1, 1, 0)), np.zeros(0, np.uint8), 0.0, np.zeros((1, 1), np.uint8))


@fast_kernels
@pytest.mark.parametrize("threads", [1, 3])
def test_no_split_hides_a_wrong_shape(name: str, threads: int) -> None:
    fast, scores, one = kernels(name, threads), np.zeros((4, 4, 2)), np.array([0])
    with pytest.raises(ValueError, match="out has shape"):
        fast.threshold(scores, 0.5, np.zeros((2, 5, 4), np.uint8))
    with pytest.raises(ValueError, match="out has shape"):
        fast.copy(scores, np.zeros((2, 5, 4), np.float32))
    with pytest.raises(ValueError, match="out has shape"):
        fast.gather(
            np.zeros((1, 1, 1)), one, np.zeros(4, int), one, 1.0, 0.0, np.zeros((5, 1, 1), np.float32)
        )


@fast_kernels
@pytest.mark.parametrize("where", ["channels", "rows", "columns"])
@pytest.mark.parametrize("index", [-2, 3])
def test_gather_reads_nothing_outside_the_source(name: str, where: str, index: int) -> None:
    indices = {axis: np.array([0]) for axis in ("channels", "rows", "columns")} | {where: np.array([index])}
    out = np.empty((1, 1, 1), np.float32)

    with pytest.raises(IndexError, match=f"{where} run from {index} to {index} in an axis of 3"):
        kernels(name).gather(np.zeros((3, 3, 3)), **indices, divisor=1.0, constant=0.0, out=out)


@pytest.mark.parametrize("wrong", ["pixels", "indices", "rank", "out"])
def test_native_gather_converts_nothing(wrong: str) -> None:
    source, one = np.zeros((1, 1, 1), np.uint16), np.array([0])
    given = {
        "source": source.astype(">u2") if wrong == "pixels" else source[0] if wrong == "rank" else source,
        "rows": one.astype(np.int32) if wrong == "indices" else one,
        "out": np.zeros((1, 1, 1), np.float64 if wrong == "out" else np.float32),
    }
    with pytest.raises(TypeError, match="incompatible function arguments"):
        kernels("native").gather(channels=one, columns=one, divisor=1.0, constant=0.0, **given)


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
loops, one = load({name!r}, threads=2), np.zeros(1, np.int64)
tile, label = np.empty((1, 1, 1), np.float32), np.empty((1, 1), np.uint8)
loops.gather(np.full((1, 1, 1), 9, np.uint16), one, one, one, 1.0, 0.0, tile)
loops.argmax(tile, np.array([7], np.uint8), 0.0, label)
loops.threshold(tile, 0.5, np.empty((1, 1, 1), np.uint8))
loops.copy(tile, np.empty((1, 1, 1), np.float32))
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
