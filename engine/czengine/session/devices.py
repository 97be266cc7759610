"""Where networks can run, and what of it this process may really use.

Turns the word a person says into devices to try, best first; CPU cores are counted as containers and affinity masks
leave them. Compiles nothing.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from czengine.errors import OptionError
from czengine.session import openvino

Provider = Literal["cpu", "openvino"]

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Device:
    """One place where a network can run.

    Attributes
    ----------
    provider : {"cpu", "openvino"}
        ONNX Runtime's own CPU code, or OpenVINO.
    target : str
        The device as OpenVINO calls it: "CPU", "GPU", "GPU.1", "NPU".
    """

    provider: Provider
    target: str = "CPU"

    @property
    def name(self) -> str:
        """As a person would say it."""
        return self.target if self.provider == "cpu" else f"OpenVINO on {self.target}"

    def describe(self, threads: int) -> str:
        """Name and, where they count, threads: "OpenVINO on CPU, 2 threads"."""
        if self.target != "CPU":
            return self.name
        return f"{self.name}, {threads} thread{'s' if threads > 1 else ''}"


CPU = Device(provider="cpu")


def resolve(device: str) -> tuple[Device, ...]:
    """The devices to try, best first; one that was asked for by name is the only one.

    Parameters
    ----------
    device : str
        "auto", "cpu", "openvino" (its CPU) or "openvino:NAME", e.g. "openvino:GPU"; case does not matter.

    Raises
    ------
    OptionError
        Where the word means nothing.
    MissingExtra, DeviceError
        Where it names something that is not here.
    """
    if device.lower() == "auto":  # that OpenVINO loads shows when a network is compiled
        return (Device(provider="openvino"), CPU) if openvino.installed() else (CPU,)
    if device.lower() == "cpu":
        return (CPU,)
    provider, colon, target = device.partition(":")
    if provider.lower() == "openvino" and bool(colon) == bool(target):
        return (_present(target.upper() or "CPU"),)
    raise OptionError(
        f"device is {device!r}; choose one of auto, cpu, openvino, or openvino:NAME, e.g. openvino:GPU"
    )


def _present(target: str) -> Device:
    openvino.find(target)
    return Device(provider="openvino", target=target)


def available_cores(cgroup: Path = _CGROUP) -> int:
    """Cores this process may use at once, at least 1.

    The smaller of the affinity mask and the CPU quota of the control group (versions 2 and 1), rounded up:
    a container limited to 1.5 cores has work for 2 threads.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(cores, math.ceil(quota)) if quota else cores)


def _quota(cgroup: Path) -> float | None:
    """CPU quota in cores, None where there is none. See cgroups(7), `cpu.max` and `cpu.cfs_quota_us`."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period) or None
