"""The table of `czbench.kernel_speed`: that it is complete and made of ratios. No test looks at what they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from czbench import kernel_speed
from czengine.kernels.reference import ReferenceKernels


def table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *options: str
) -> list[dict[str, Any]]:
    """What the command prints for small tiles."""
    command = ["kernel_speed", "--side", "24", "--repeats", "1", "--kernels", "reference", *options]
    monkeypatch.setattr("sys.argv", command)
    kernel_speed.main()
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_every_kernel_is_in_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(capsys, monkeypatch)
    names = [row["case"] for row in rows]
    assert len(set(names)) == len(names)
    for kernel in ("gather", "argmax", "threshold", "copy", "count", "is_uniform"):
        assert any(name.startswith(kernel) for name in names)
    for row in rows:
        assert set(row) == {"case", "reference x1", "reference x2"}
        assert row["reference x1"] >= 0


def test_cases_and_threads_can_be_picked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(capsys, monkeypatch, "--only", "argmax 5", "--threads", "3")
    assert [row["case"] for row in rows] == ["argmax 5 NHWC", "argmax 5 NCHW"]
    assert all(set(row) == {"case", "reference x3"} for row in rows)


def test_the_bytes_of_a_case_are_those_of_its_float_side() -> None:
    sizes = {name: size for name, _, size in kernel_speed._cases(24)}
    assert sizes["gather uint8 to float32, 3 NCHW"] == 24 * 24 * 3 * 4
    assert sizes["gather uint16 to uint16, 1 NHWC"] == 24 * 24 * 2
    assert sizes["argmax 10 NHWC"] == sizes["argmax 10 NCHW"] == 24 * 24 * 10 * 4
    assert sizes["count uint16 blobs"] == 24 * 24 * 2


def test_uniform_pixels_are_looked_at_to_the_end() -> None:
    calls = {name: call for name, call, _ in kernel_speed._cases(24)}
    assert calls["is_uniform uint8"](ReferenceKernels()) is True
    assert len(np.unique(kernel_speed._blobs(240, np.uint8))) == 4
