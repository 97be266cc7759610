"""Where and when something was measured: processor, cores, memory, versions, load.

Without these, a time says nothing.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PACKAGES = (
    "czengine",
    "napari-czann-segment",
    "numpy",
    "onnxruntime",
    "onnxruntime-ep-openvino",
    "tensorstore",
    "zarr",
)
_ASK = """
import importlib.metadata as m, json, platform, sys
found = {d.metadata["Name"]: d.version for d in m.distributions()}
print(json.dumps({"python": platform.python_version()} | {k: found[k] for k in sys.argv[1:] if k in found}))
"""


def facts(pythons: Mapping[str, str]) -> dict[str, Any]:
    """What a reader of the results has to know.

    Parameters
    ----------
    pythons : mapping of str to str
        What an interpreter is for, and its path; each is asked for the versions of its packages.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": len(usable_cores()),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_at_start": round(os.getloadavg()[0], 2),
        "versions": {what: versions(python) for what, python in pythons.items()},
    }


def usable_cores() -> Sequence[int]:
    """Numbers of the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def cpu_name() -> str:
    """The processor as it calls itself."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def versions(python: str) -> dict[str, str]:
    """Versions of an interpreter and of the packages that matter, where it has them."""
    asked = subprocess.run([python, "-c", _ASK, *_PACKAGES], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(asked.stdout)
    return found
