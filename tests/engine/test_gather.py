"""Batches hold every tile once, in order, cut and padded as NumPy would; constants are run once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.ahead import Stop
from czengine.cells import Cells
from czengine.errors import Cancelled, ImageError
from czengine.footprint import MEMO_ENTRIES
from czengine.gather import Batch, Buffers, Gatherer, reflected
from czengine.inputs import InputMap
from czengine.kernels.base import OPAQUE
from czengine.kernels.reference import ReferenceKernels
from czengine.meter import Meter
from czengine.plan import Tile
from czengine.schedule import Placed
from tests.support.schedules import Case, cases, input_map
from tests.support.streams import MemorySource, PixelSession

ROW = Case(  # 6 tiles of 8 × 8 pixels without borders in one row
    size=(8, 48),
    tile=(8, 8),
    border=(0, 0),
    cell=(8, 16),
    block=(8, 8),
    stripe=48,
    first=(),
    counts=(),
    depths=(),
)
UP_TO_TWO_CHANNELS = st.sampled_from(
    [
        input_map(),
        input_map(divisor=255.0),
        input_map(read=(2, 0), channels=(1, 0, 1), divisor=255.0),
        input_map(read=(0, 1), channels=(0, 1, OPAQUE), constant=7.5),
        input_map(read=(0, 1, 2), gray=True, divisor=255.0),
    ]
)


def random_image(case: Case, channels: int = 3, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 255, (*case.shape[:-2], channels, *case.size)).astype(dtype)


class Run:
    """A `Gatherer` on an image in memory, and what it works with."""

    def __init__(
        self,
        case: Case,
        image: NDArray[Any],
        session: PixelSession,
        *,
        inputs: InputMap | None = None,
        memo: bool = False,
        buffers: int = 1,
        fail_at: int | None = None,
    ) -> None:
        self.case, self.image, self.inputs = case, image, inputs or input_map()
        self.source, self.meter, kernels = MemorySource(image, fail_at=fail_at), Meter(), ReferenceKernels()
        self.buffers = Buffers(session, buffers, Stop(lambda: None))
        cells = Cells(
            self.source,
            self.inputs,
            case.plan,
            case.cells,
            case.sweeps,
            budget=1000,
            kernels=kernels,
            meter=self.meter,
        )
        divisor = self.inputs.divisor if session.network.dtype == np.float32 else 1.0
        self._gatherer = Gatherer(
            cells,
            case.plan,
            self.inputs,
            divisor,
            session,
            self.buffers,
            kernels,
            memo=memo,
            meter=self.meter,
        )

    def batches(self) -> Iterator[Batch]:
        """Every batch, whose buffer is taken back after a look at it."""
        for batch in self._gatherer.batches(self.case.sweeps):
            yield batch
            if batch.pixels is not None:
                self.buffers.give_back(batch.pixels)

    def wanted(self, placed: Placed, dtype: Any) -> NDArray[Any]:
        """What the network is to see of a tile, (y, x, channel), the slow way: everything padded, then cut."""
        far, roi = max(self.case.tile), placed.tile.roi
        plane = self.inputs.prepare(self.image[placed.plane][list(self.inputs.read)])
        padded = np.pad(plane, ((0, 0), (far, far), (far, far)), mode="reflect")
        cut = padded[:, roi.y + far : roi.bottom + far, roi.x + far : roi.right + far]
        scaled = (
            cut if dtype != np.float32 else (cut.astype(np.float64) / self.inputs.divisor).astype(np.float32)
        )
        constant = np.full(cut.shape[1:], self.inputs.constant, dtype)
        return np.stack([constant if c == OPAQUE else scaled[c] for c in self.inputs.channels], axis=-1)


def tile_of(batch: Batch, number: int, layout: str) -> NDArray[Any]:
    """(y, x, channel) of one tile."""
    assert batch.pixels is not None
    return batch.pixels[number] if layout == "NHWC" else batch.pixels[number].transpose(1, 2, 0)


# ------------------------------------------------------------------------------------------ pixels


def keys_of(batch: Batch) -> list[bytes | None]:
    return [entry.key for entry in batch.entries if entry.slot is not None]


def repeats_of(batch: Batch) -> list[tuple[Placed, bytes | None]]:
    return [(entry.placed, entry.key) for entry in batch.entries if entry.slot is None]


def placed_of(batch: Batch) -> list[Placed]:
    return [entry.placed for entry in batch.entries]


@given(length=st.integers(1, 30), before=st.integers(0, 200), after=st.integers(0, 200))
def test_reflection_is_that_of_numpy_pad(length: int, before: int, after: int) -> None:
    padded = np.pad(np.arange(length), (before, after), mode="reflect")
    np.testing.assert_array_equal(reflected(-before, length + after, length), padded)


@given(
    case=cases(),
    size=st.integers(1, 5),
    layout=st.sampled_from(["NHWC", "NCHW"]),
    inputs=UP_TO_TWO_CHANNELS,
    memo=st.booleans(),
)
def test_every_tile_is_its_roi_of_the_padded_plane(
    case: Case, size: int, layout: Any, inputs: InputMap, memo: bool
) -> None:
    session = PixelSession(size, case.tile, channels=len(inputs.channels), layout=layout)
    run = Run(case, random_image(case), session, inputs=inputs, memo=memo)
    for batch in run.batches():
        for number, placed in enumerate(batch.tiles):
            wanted = run.wanted(placed, np.float32)
            np.testing.assert_array_equal(tile_of(batch, number, layout), wanted, strict=True)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_network_that_scales_by_itself_gets_the_pixels_as_they_are(layout: Any, dtype: Any) -> None:
    inputs = input_map(read=(2, 0), channels=(1, 0), divisor=1.0 if dtype == np.float32 else 255.0)
    session = PixelSession(4, ROW.tile, channels=2, layout=layout, dtype=dtype)
    run = Run(ROW, random_image(ROW, dtype=dtype), session, inputs=inputs)
    for batch in run.batches():
        assert batch.pixels is not None
        assert batch.pixels.shape == session.input_shape
        assert batch.pixels.dtype == dtype
        assert batch.pixels.flags.c_contiguous
        for number, placed in enumerate(batch.tiles):
            np.testing.assert_array_equal(
                tile_of(batch, number, layout), run.wanted(placed, dtype), strict=True
            )


# ------------------------------------------------------------------------------------------ batches


@given(case=cases(), size=st.integers(1, 7))
def test_every_tile_comes_once_in_order_in_full_batches(case: Case, size: int) -> None:
    """Batches are filled over the ends of rows, planes and stripes."""
    batches = list(Run(case, random_image(case), PixelSession(size, case.tile)).batches())
    assert [placed for batch in batches for placed in batch.tiles] == [placed for *_, placed in case.placed]
    assert {len(batch.tiles) for batch in batches[:-1]} <= {size}
    assert 1 <= len(batches[-1].tiles) <= size
    assert all(keys_of(batch) == [None] * len(batch.tiles) and not repeats_of(batch) for batch in batches)
    assert all(placed_of(batch) == batch.tiles for batch in batches)


@given(case=cases(axes=1), size=st.integers(1, 5), values=st.integers(1, 3), seed=st.integers(0, 99))
def test_constant_tiles_are_run_once_per_value(case: Case, size: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, values, (*case.shape[:-2], 1, 3, 3)).astype(np.uint8)
    image = coarse.repeat(14, axis=-2).repeat(14, axis=-1)[..., : case.size[0], : case.size[1]]
    run = Run(case, image, PixelSession(size, case.tile), memo=True)
    known, everything = set[bytes](), list[Placed]()
    for batch in run.batches():
        assert len(batch.tiles) == len(keys_of(batch)) <= size
        for placed, key in zip(batch.tiles, keys_of(batch), strict=True):
            seen = run.wanted(placed, np.uint8)
            assert (key is not None) == bool((seen == seen[0, 0]).all())
            assert key is None or (key == seen[0, 0].tobytes() and key not in known)
            known |= set() if key is None else {key}
        for placed, key in repeats_of(batch):
            assert key in known  # of this batch or an earlier one
            assert (run.wanted(placed, np.uint8) == np.frombuffer(key, np.uint8)).all()
        everything += placed_of(batch)
    assert sorted(everything, key=str) == sorted((placed for *_, placed in case.placed), key=str)


def test_repeats_ride_with_the_next_batch() -> None:
    image = np.zeros((1, *ROW.size), np.uint8)
    image[0, :, 24:32] = random_image(ROW)[0, :, 24:32]
    full, last = Run(ROW, image, PixelSession(2, ROW.tile), memo=True).batches()
    assert [placed.kept.x for placed in full.tiles] == [0, 24]
    assert keys_of(full) == [b"\0", None]
    assert [placed.kept.x for placed, _ in repeats_of(full)] == [8, 16]
    assert [placed.kept.x for placed in placed_of(full)] == [0, 8, 16, 24]
    assert last.pixels is None
    assert [placed.kept.x for placed, _ in repeats_of(last)] == [32, 40]


def test_many_repeats_do_not_wait_for_a_full_batch() -> None:
    case = replace(ROW, size=(8, 8000), stripe=8000, cell=(8, 800))
    batches = list(
        Run(case, np.zeros((1, *case.size), np.uint8), PixelSession(4, case.tile), memo=True).batches()
    )
    assert [len(batch.tiles) for batch in batches] == [1] + [0] * (len(batches) - 1)
    assert [batch.pixels is None for batch in batches] == [False] + [True] * (len(batches) - 1)
    assert max(len(repeats_of(batch)) for batch in batches) < 500
    assert sum(len(repeats_of(batch)) for batch in batches) == 999


def test_no_more_values_are_remembered_than_planned() -> None:
    count = MEMO_ENTRIES + 3
    case = replace(ROW, size=(8, 16 * count), stripe=16 * count)
    steps = np.tile(np.arange(count, dtype=np.uint8), 2).repeat(8)
    batches = list(Run(case, np.tile(steps, (1, 8, 1)), PixelSession(1, case.tile), memo=True).batches())
    keys = [key for batch in batches for key in keys_of(batch)]
    remembered = [bytes([value]) for value in range(MEMO_ENTRIES)]
    assert keys == [*remembered, None, None, None, None, None, None]
    assert [key for batch in batches for _, key in repeats_of(batch)] == remembered


# ------------------------------------------------------------------------------------------ buffers


def test_buffers_are_used_over_and_over() -> None:
    run = Run(ROW, random_image(ROW), PixelSession(1, ROW.tile), buffers=2)
    assert len({id(batch.pixels) for batch in run.batches()}) == 2


def test_a_buffer_is_waited_for_and_whoever_waits_can_be_stopped() -> None:
    token: list[str] = []

    def check() -> None:
        if token:
            raise Cancelled("enough")

    session = PixelSession(2, (4, 4), channels=3, layout="NCHW", dtype=np.uint16)
    buffers = Buffers(session, 1, Stop(check))
    buffer = buffers.take()
    assert buffer.shape == (2, 3, 4, 4)
    assert buffer.dtype == np.uint16
    token.append("stop")
    with pytest.raises(Cancelled, match="enough"):
        buffers.take()
    buffers.give_back(buffer)
    assert buffers.take() is buffer


# ------------------------------------------------------------------------------------------ the rest


def test_an_error_names_the_tile_and_comes_after_the_batches_before_it() -> None:
    run = Run(ROW, random_image(ROW), PixelSession(1, ROW.tile), fail_at=1)
    done: list[Tile] = []
    with pytest.raises(ImageError, match=r"corrupted.* \(the tile at rows 0 to 7, columns 16 to 23\)"):
        done.extend(batch.tiles[0].tile for batch in run.batches())
    assert [tile.center.x for tile in done] == [0, 8]


def test_time_is_counted_per_tile_that_is_filled() -> None:
    run = Run(ROW, np.zeros((1, *ROW.size), np.uint8), PixelSession(4, ROW.tile), memo=True)
    list(run.batches())
    gather, read = run.meter.stages("gather", "read")
    assert gather.items == 1
    assert read.items == 3
    assert gather.busy > 0
