"""Runs the written archive beside its source on the same pictures, and measures what is different.

The archive is opened as any user's is, by the engine; the source runs in its own framework, with pre- and
post-processing by the NumPy reference. Only this module knows which pictures are tried. What follows from the
figures is decided by `conversion`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czconverter.loaders.base import Network
from czconverter.metadata import MULTILABEL, REGRESSION
from czconverter.report import Comparison
from czconverter.steps import arrays, tensors
from czengine.model import Model, read_model
from czengine.session.devices import CPU, available_cores
from czengine.session.open import network_of, open_session
from czengine.spec import Runtime

Array = NDArray[np.float32]
Run = Callable[[Array], Array]

_BATCHES = (1, 3)
_ROUNDING = 2.0**-23  # of float32, relative
_WINDOW = 32  # pixels a side that the trial of the border looks at


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An archive that can be run.

    Attributes
    ----------
    archive : callable
        float32 (batch, y, x, channel) to (batch, y, x, output).
    task : str
        Model type; says what a label is.
    """

    archive: Run
    task: str


def pictures(tile: tuple[int, int], largest: Sequence[float], count: int = sum(_BATCHES)) -> Array:
    """Test pictures, the same ones each time.

    Parameters
    ----------
    tile : (height, width)
        Pixels.
    largest : sequence of float
        Largest value of each channel; the smallest is 0.
    count : int
        How many.

    Returns
    -------
    ndarray of float32
        (picture, y, x, channel): noise, then a ramp, round spots, and near black, over and over.
    """
    random = np.random.default_rng(20)
    kinds = (_noise, _ramp, _spots, _dark)
    stack = [kinds[i % len(kinds)](random, (*tile, len(largest))) for i in range(count)]
    return np.asarray(np.stack(stack) * np.asarray(largest), dtype=np.float32)


def source_run(network: Network, before: Sequence[Any], after: Sequence[Any]) -> Run:
    """The source in its own framework, with the steps around it."""

    def run(batch: Array) -> Array:
        for step in before:
            batch = _apply(step, batch)
        result = network.run(batch)
        for step in after:
            result = _apply(step, result)
        return result

    return run


def compare(trial: Trial, batch: Array, expected: Array, seconds: float) -> Comparison:
    """Run the archive on pictures the source has run on already, and measure the difference.

    Parameters
    ----------
    trial : Trial
        The archive.
    batch, expected : ndarray of float32
        (picture, y, x, channel), and what the source gave for it.
    seconds : float
        How long that took.
    """
    started = perf_counter()
    found = trial.archive(batch)
    took = perf_counter() - started
    error = np.abs(found.astype(np.float64) - expected)
    return Comparison(
        pictures=len(batch),
        batches=_BATCHES,
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        range=float(np.ptp(expected)),
        agreement=_agreement(trial.task, found, expected),
        source_seconds=seconds,
        archive_seconds=took,
    )


def unrest(run: Run, batch: Array, expected: Array, largest: Sequence[float]) -> float:
    """How much the source differs from itself when its input changes by less than pixels can tell.

    Where rounding alone is amplified, as by a normalisation of something constant, no two programs agree better.

    Returns
    -------
    float
        Largest difference, relative to the range of `expected`.
    """
    noise = np.random.default_rng(21).uniform(-1, 1, batch.shape)
    nudged = batch + noise * np.asarray(largest) * _ROUNDING
    difference = np.abs(run(nudged.astype(np.float32)).astype(np.float64) - expected)
    return float(difference.max() / (np.ptp(expected) or 1))


def border_leak(
    trial: Trial, tile: tuple[int, int], border: tuple[int, int], largest: Sequence[float]
) -> float | None:
    """How much pixels farther away than the border change the result in the middle of a tile.

    Two pictures are equal in a window in the middle and `border` pixels around it, and different elsewhere.

    Returns
    -------
    float or None
        Largest change of an output there, relative to the range of the outputs. None where the tile has no such
        pixels.
    """
    windows = [min(_WINDOW, (length - 2 * width) // 2) for length, width in zip(tile, border, strict=True)]
    if min(windows) < 1:
        return None
    first, other = pictures(tile, largest, 2)
    second = other.copy()
    kept, seen = (_middle(tile, windows, grow) for grow in (border, (0, 0)))
    second[kept] = first[kept]
    results = trial.archive(np.stack([first, second]))
    return float(np.abs(results[0][seen] - results[1][seen]).max() / (np.ptp(results) or 1))


def archive_run(path: Path, folder: Path) -> tuple[Model, Run]:
    """Open an archive as the engine does, and a way to run it."""
    model = read_model(path)
    if model.spec.runtime is Runtime.SAVEDMODEL:
        return model, _tensorflow_run(model, folder)
    return model, _engine_run(model)


def timed(run: Run, batch: Array) -> tuple[Array, float]:
    """The result, and the seconds it took."""
    started = perf_counter()
    return run(batch), perf_counter() - started


def workplace() -> TemporaryDirectory[str]:
    """A folder for what TensorFlow can only load from disk; empty again afterwards."""
    return TemporaryDirectory(prefix="czconverter-")


def _apply(step: Any, batch: Array) -> Array:
    if tensors.is_keras_layer(step):
        return np.asarray(tensors.apply(step, batch), dtype=np.float32)
    return arrays.apply(step, batch)


def _engine_run(model: Model) -> Run:
    spec = model.spec
    sizes = (spec.fixed_batch,) if spec.fixed_batch else _BATCHES
    network, cores = network_of(spec, model.network), available_cores()
    sessions = {n: open_session(network, tile=spec.tile, batch=n, threads=cores, device=CPU) for n in sizes}

    def run(batch: Array) -> Array:
        parts = []
        for size in _pieces(len(batch), max(sizes)):
            part, batch = np.ascontiguousarray(batch[:size]), batch[size:]
            parts.append(np.asarray(sessions[size].run(part), dtype=np.float32))
        return np.concatenate(parts)

    return run


def _pieces(count: int, largest: int) -> list[int]:
    """Batch sizes that make `count` pictures, one alone first: 4 are 1 and 3, 2 are 1 and 1."""
    pieces = [1]
    while (left := count - sum(pieces)) > 0:
        pieces.append(largest if left >= largest else 1)
    return pieces


def _tensorflow_run(model: Model, folder: Path) -> Run:
    # the engine cannot run SavedModels yet; TensorFlow, which the source needs anyway, can
    from czconverter.loaders.saved_model import load_saved_model_zip

    return load_saved_model_zip(model.network, folder, trust=True).run  # the source was judged already


def _agreement(task: str, found: Array, expected: Array) -> float | None:
    return None if task == REGRESSION else _labels(task, found, expected)


def _labels(task: str, one: Array, two: Array) -> float:
    """Share of equal labels."""
    if task == MULTILABEL:
        return float(((one >= 0.5) == (two >= 0.5)).mean())
    return float((one.argmax(axis=-1) == two.argmax(axis=-1)).mean())


def _middle(tile: tuple[int, int], window: Sequence[int], grow: tuple[int, int]) -> tuple[slice, slice]:
    y, x = (
        slice((length - size) // 2 - more, (length - size) // 2 + size + more)
        for length, size, more in zip(tile, window, grow, strict=True)
    )
    return y, x


def _noise(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    return random.random(shape)


def _ramp(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    y, x = np.ogrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    return np.asarray((y + x)[..., np.newaxis] / 2 * np.ones(shape[2]))


def _spots(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    y, x = np.ogrid[0 : shape[0], 0 : shape[1]]
    picture = 0.1 * random.random(shape)
    for _ in range(8):
        (row, column), radius = random.random(2) * shape[:2], random.uniform(2, 12)
        picture[(y - row) ** 2 + (x - column) ** 2 < radius**2] = random.uniform(0.4, 1)
    return picture


def _dark(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    return 0.02 * random.random(shape)
