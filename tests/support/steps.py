"""Steps and pictures for property tests: `arrays` is the reference, `nodes` and `tensors` have to agree with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    RgbaToBgra,
    RgbToBgr,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)

_NUMBER = st.floats(-10, 10, width=32).map(lambda value: round(value, 3))
_DIVISOR = st.floats(0.25, 10, width=32).map(lambda value: round(value, 3))


def steps(channels: int) -> st.SearchStrategy[Step]:
    """Any step that fits pictures of so many channels."""

    def numbers(of: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
        return of | st.lists(of, min_size=channels, max_size=channels)

    options: list[st.SearchStrategy[Step]] = [
        st.permutations(range(channels)).map(lambda order: TransposeChannels(tuple(order))),
        st.builds(Normalization, mean=numbers(_NUMBER), std=numbers(_DIVISOR)),
        numbers(_NUMBER).map(Shift),
        numbers(_NUMBER).map(Scale),
        st.just(PerImageStandardization()),
        st.just(Softmax()),
    ]
    named: dict[int, Step] = {1: SigmoidToSoftmaxScores(), 3: RgbToBgr(), 4: RgbaToBgra()}
    return st.one_of(*options, *([st.just(named[channels])] if channels in named else []))


def pictures(seed: int, batch: int, channels: int) -> NDArray[np.float32]:
    """Random pictures (batch, y, x, channel), the first one without any contrast."""
    random = np.random.default_rng(seed)
    size = random.integers(1, 9, 2)
    values = random.uniform(-3, 3, (batch, *size, channels)).astype(np.float32)
    values[0] = 2.5
    return values
