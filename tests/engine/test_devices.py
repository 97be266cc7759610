"""Thread counts follow what the process may really use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from czengine.session.devices import available_cores


def cgroup_v2(root: Path, text: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "cpu.max").write_text(text)
    return root


def affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize("text", ["max 100000\n", "nonsense", "", "100000000 100000\n"])
def test_without_a_tighter_quota_the_affinity_mask_counts(tmp_path: Path, text: str) -> None:
    assert available_cores(cgroup_v2(tmp_path, text)) == affinity()


@pytest.mark.parametrize(("text", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("1 100000", 1)])
def test_a_container_quota_limits_the_cores(tmp_path: Path, text: str, cores: int) -> None:
    assert available_cores(cgroup_v2(tmp_path, text)) == cores


@pytest.mark.skipif(affinity() < 2, reason="needs two cores")
def test_a_fraction_of_a_core_still_gets_a_thread(tmp_path: Path) -> None:
    assert available_cores(cgroup_v2(tmp_path, "150000 100000")) == 2


def test_the_first_version_of_control_groups_is_understood(tmp_path: Path) -> None:
    folder = tmp_path / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text("100000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path) == 1
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert available_cores(tmp_path) == affinity()


def test_no_control_group_at_all(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "absent") == affinity()
