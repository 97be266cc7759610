"""Which rewriting of a network is fastest on which device: `python -m czbench.fusing MODEL...`.

Cuts a tile out of a picture of uint16, runs it, and makes labels of it (or copies the scores of a regression), with
the engine's own sessions and kernels: all that a rewriting moves from one of them to another. The contestants take
turns, and each is divided by the first one of the same round; the median of these ratios is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine import kernels
from czengine.errors import CzEngineError
from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.graph.signature import parse_onnx
from czengine.model import Model, read_model
from czengine.session.base import Network, Session
from czengine.session.devices import resolve
from czengine.session.open import open_session
from czengine.spec import Task

Contestant = Callable[[], NDArray[Any]]

_THREADS = 2
_DIVISOR = 65535.0


def main() -> None:
    """Measure and print, one JSON line for each contestant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--device", action="append", help="cpu, openvino; may be given again")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    for path in arguments.models:
        model = read_model(path)
        for device in arguments.device or ["cpu", "openvino"]:
            contestants = _contestants(model, device)
            results = {
                name: run() for name, run in contestants.items()
            }  # the first run of each is not measured
            for name, line in _race(contestants, arguments.repeats).items():
                differ = _differ(
                    model, results["unchanged" if "unchanged" in results else name], results[name]
                )
                print(
                    json.dumps({"model": path.name, "device": device, "variant": name, **line, **differ}),
                    flush=True,
                )


def _purposes(model: Model) -> dict[str, Purpose]:
    spec = model.spec
    confidence = 0.5 if spec.task is Task.MULTILABEL else None
    fused = Purpose(task=spec.task, confidence=confidence, divisor=_DIVISOR)
    raw = replace(fused, pixels="uint16")
    found = {"not turned": replace(fused, turned=False), "fused": fused, "fused, raw": raw}
    if spec.task is Task.SEGMENTATION:
        labels = tuple(item.label for item in spec.classes)
        found |= {
            "fused, labels": replace(fused, labels=labels),
            "fused, raw, labels": replace(raw, labels=labels),
        }
    return found


def _contestants(model: Model, device: str) -> dict[str, Contestant]:
    """Those that this device can run."""
    proto = parse_onnx(model.network)
    spec = model.spec
    unchanged = Fused(
        model=proto,
        layout=spec.layout,
        output_layout=spec.output_layout,
        dtype="float32",
        gives="scores",
        divisor=_DIVISOR,
        confidence=0.5 if spec.task is Task.MULTILABEL else None,
        changes=(),
    )
    variants = {name: fuse(proto, purpose) for name, purpose in _purposes(model).items()}
    found = {}
    for name, variant in {"unchanged": unchanged, **variants}.items():
        try:
            found[name] = _contestant(model, variant, device)
        except CzEngineError as error:
            print(json.dumps({"model": spec.name, "device": device, "variant": name, "refused": str(error)}))
    return found


def _contestant(model: Model, fused: Fused, device: str) -> Contestant:
    """Gather, run, stitch of one tile."""
    spec = model.spec
    network = Network(
        model=fused.model.SerializeToString(),
        layout=fused.layout,
        output_layout=fused.output_layout,
        channels=spec.channels,
        outputs=spec.outputs,
        dtype=np.dtype(fused.dtype),
        gives=fused.gives,
    )
    (where,) = resolve(device)
    session: Session = open_session(network, tile=spec.tile, batch=1, threads=_THREADS, device=where)
    picture = np.random.default_rng(0).integers(0, 65536, (spec.channels, *spec.tile), np.uint16)
    loops, channels = kernels.load("auto", threads=_THREADS), np.arange(spec.channels)
    batch = np.zeros(session.input_shape, fused.dtype)
    tile = batch[0] if fused.layout == "NHWC" else batch[0].transpose(1, 2, 0)
    labels = np.array([item.label for item in spec.classes], np.uint8)
    segments = spec.task is Task.SEGMENTATION
    out = np.zeros(
        spec.tile if segments else (spec.outputs, *spec.tile), np.uint8 if spec.classes else np.float32
    )

    def run() -> NDArray[Any]:
        loops.gather(picture, channels, fused.divisor, 1.0, tile)
        result = session.run(batch)[0]
        if fused.gives == "labels":
            out[...] = result
            return out
        scores = result if fused.output_layout == "NHWC" else result.transpose(1, 2, 0)
        if segments:
            loops.argmax(scores, labels, -np.inf, out)
        elif fused.confidence is not None:
            loops.threshold(scores, fused.confidence, out)
        else:
            loops.copy(scores, out)
        return out

    return run


def _race(contestants: dict[str, Contestant], repeats: int) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    first = next(iter(seconds.values()), [])
    return {
        name: {
            "ratio": round(statistics.median(a / b for a, b in zip(each, first, strict=True)), 3),
            "best_ratio": round(min(each) / min(first), 3),
            "best_ms": round(1000 * min(each), 2),
        }
        for name, each in seconds.items()
    }


def _differ(model: Model, expected: NDArray[Any], found: NDArray[Any]) -> dict[str, float]:
    """Pixels with another label, or the largest difference of scores."""
    if model.spec.classes:
        return {"other_labels": int((expected != found).sum())}
    return {"largest_difference": float(np.abs(expected - found).max())}


if __name__ == "__main__":
    main()
