"""Words for devices mean what they say; thread counts follow what the process may really use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from czengine.errors import DeviceError, MissingExtra, OptionError
from czengine.session.devices import CPU, Device, available_cores, resolve
from tests.support.frameworks import need_package

OPENVINO = Device(provider="openvino")


@pytest.fixture
def openvino() -> None:
    need_package("onnxruntime_ep_openvino")


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    from czengine.session import openvino

    openvino._devices.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_openvino", None)


@pytest.mark.parametrize("word", ["cpu", "CPU"])
def test_the_cpu_is_always_there(word: str) -> None:
    assert resolve(word) == (CPU,)


@pytest.mark.usefixtures("openvino")
def test_openvino_comes_first_where_it_is_installed() -> None:
    assert resolve("auto") == resolve("Auto") == (OPENVINO, CPU)


@pytest.mark.usefixtures("no_openvino")
def test_without_openvino_there_is_the_cpu() -> None:
    assert resolve("auto") == (CPU,)


@pytest.mark.usefixtures("openvino")
@pytest.mark.parametrize("word", ["openvino", "OpenVINO", "openvino:CPU", "openvino:cpu"])
def test_what_is_asked_for_by_name_is_the_only_one(word: str) -> None:
    assert resolve(word) == (OPENVINO,)


@pytest.mark.usefixtures("no_openvino")
@pytest.mark.parametrize("word", ["openvino", "openvino:GPU"])
def test_what_is_not_installed_is_no_silent_fall_back(word: str) -> None:
    with pytest.raises(
        MissingExtra, match=r"OpenVINO is not installed; .* pip install 'czengine\[openvino\]'"
    ):
        resolve(word)


@pytest.mark.usefixtures("openvino")
def test_a_device_that_is_not_here_names_those_that_are() -> None:
    with pytest.raises(
        DeviceError, match=r"^OpenVINO finds no device TPU on this machine; it finds CPU.*, and --device cpu"
    ):
        resolve("openvino:TPU")


@pytest.mark.parametrize("word", ["", "gpu", "cuda", "openvino:", "cpu:", "auto:CPU", " cpu", "open vino"])
def test_other_words_mean_nothing(word: str) -> None:
    with pytest.raises(OptionError) as caught:
        resolve(word)
    assert str(caught.value) == (
        f"device is {word!r}; choose one of auto, cpu, openvino, or openvino:NAME, e.g. openvino:GPU"
    )


def test_devices_are_called_what_a_person_calls_them() -> None:
    assert (CPU.name, OPENVINO.name) == ("CPU", "OpenVINO on CPU")
    assert (CPU.describe(1), OPENVINO.describe(4)) == ("CPU, 1 thread", "OpenVINO on CPU, 4 threads")
    assert Device(provider="openvino", target="GPU.1").describe(4) == "OpenVINO on GPU.1"


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
