"""How well drawn nuclei were found, and how far a network looks: for the tests of the example and of its training.

Nothing here asks czengine: it is what its results are measured against.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

NUCLEUS = 2  # label value of its inside; its border is 3, what is between nuclei 1


def overlap(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((found & truth).sum() / (found | truth).sum())


def pieces(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of the connected part a pixel belongs to, 0 outside: the largest around it, until nothing changes."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    before = np.zeros_like(numbers)
    while (numbers != before).any():
        before, wide = numbers, np.pad(numbers, 1)
        around = [wide[1:-1, 1:-1], wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
        numbers = np.max(around, axis=0) * mask
    return numbers


def apart(labels: NDArray[Any], truth: NDArray[np.int32]) -> int:
    """How many nuclei were found each as one piece that is in no other: neither in crumbs nor grown together."""
    found = (labels == NUCLEUS) & (truth > 0)
    pairs = np.unique(np.stack([pieces(labels == NUCLEUS)[found], truth[found]]), axis=1)
    piece, nucleus = (np.unique(side, return_counts=True, return_inverse=True)[1:] for side in pairs)
    alone = (piece[1][piece[0]] == 1) & (nucleus[1][nucleus[0]] == 1)
    return int(alone.sum())


def reach(network: bytes, *, size: int = 256) -> int:
    """Pixels from a changed pixel to the farthest result that changes with it, over 4 × 4 places of it."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    flat = np.random.RandomState(0).uniform(0, 0.1, (1, size, size, 1)).astype(np.float32)
    (before,) = session.run(None, {name: flat})
    farthest = 0
    for place in range(size // 2 - 2, size // 2 + 2):
        spot = flat.copy()
        spot[0, place, place] = 10.0
        (after,) = session.run(None, {name: spot})
        changed = np.argwhere((before != after)[0].any(axis=-1))
        farthest = max(farthest, int(np.abs(changed - place).max()))
    return farthest
