"""Stages in threads keep the order, stay within their depth, and end, whoever stops first."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from czengine.ahead import Ahead, Stop, Stopped
from czengine.errors import Cancelled, ImageError
from czengine.meter import Meter
from czengine.progress import CancelToken

LONG = 20.0  # seconds, for waits that end at once unless something is broken


def nothing() -> None:
    """A check of a user who does not want to stop."""


class Counting:
    """Numbers from 0 on; tells where it is, and how it ended."""

    def __init__(self, count: int = 10**9, *, error: BaseException | None = None) -> None:
        self.made = 0
        self.ended = threading.Event()
        self.threads: list[str] = []
        self.items = self._items(count, error)

    def _items(self, count: int, error: BaseException | None) -> Generator[int, None, None]:
        try:
            for number in range(count):
                self.made = number + 1
                yield number
            if error is not None:
                raise error
        finally:
            self.threads.append(threading.current_thread().name)
            self.ended.set()


def ahead(
    items: Generator[int, None, None],
    stop: Stop,
    *,
    stage: str = "make",
    depth: int = 1,
    meter: Meter | None = None,
) -> Ahead[int]:
    return Ahead(items, stage=stage, reader="take", depth=depth, stop=stop, meter=meter or Meter())


def doubled(items: Iterable[int]) -> Generator[int, None, None]:
    for item in items:
        yield 2 * item


def alive() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("czengine-") and not thread.name.startswith("czengine-zarr")
    ]


@contextmanager
def no_thread_left() -> Iterator[None]:
    assert alive() == []
    yield
    assert alive() == []


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads are about to do."""
    waiter = threading.Event()
    for _ in range(int(LONG / 0.005)):
        if condition():
            return
        waiter.wait(0.005)
    raise AssertionError("it never happened")


# ------------------------------------------------------------------------------------------ the usual


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_items_come_in_order_and_all(depth: int, count: int) -> None:
    numbers = Counting(count)
    with no_thread_left(), ahead(numbers.items, Stop(nothing), depth=depth) as found:
        assert list(found) == list(range(count))
    assert numbers.threads == ["czengine-make"]


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_the_producer_is_no_further_ahead_than_agreed(depth: int) -> None:
    numbers = Counting()
    with ahead(numbers.items, Stop(nothing), depth=depth) as found:
        for item in found:
            until(lambda taken=item + 1: numbers.made == taken + depth + 1)
            if item == 5:
                break
        threading.Event().wait(0.1)  # time to go further, if it could
        assert numbers.made == 6 + depth + 1


@pytest.mark.parametrize("stages", [2, 4])
def test_stages_can_stand_in_a_row(stages: int) -> None:
    stop = Stop(nothing)
    with no_thread_left(), ExitStack() as stack:
        last: Ahead[int] = stack.enter_context(ahead(Counting(30).items, stop))
        for number in range(stages):
            last = stack.enter_context(ahead(doubled(last), stop, stage=f"double{number}"))
        assert list(last) == [n * 2**stages for n in range(30)]


def test_both_sides_say_how_long_they_waited() -> None:
    meter = Meter()
    with ahead(Counting(4).items, Stop(nothing), meter=meter) as found:
        list(found)
    make, take, busy = meter.stages("make", "take", "other")
    assert make.waiting > 0
    assert take.waiting > 0
    assert (make.busy, take.busy, make.items, busy.waiting) == (0, 0, 0, 0)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("error", [ImageError("broken"), KeyboardInterrupt(), MemoryError(), GeneratorExit()])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_an_error_comes_after_the_items_before_it(error: BaseException, count: int) -> None:
    numbers, got = Counting(count, error=error), list[int]()
    with (
        no_thread_left(),
        pytest.raises(type(error)) as caught,
        ahead(numbers.items, Stop(nothing), depth=2) as found,
    ):
        got.extend(found)
    assert caught.value is error
    assert got == list(range(count))
    assert numbers.threads == ["czengine-make"]


def test_an_error_at_the_begin_of_a_row_of_stages_arrives_at_its_end() -> None:
    stop, error = Stop(nothing), ImageError("broken")
    first = Counting(3, error=error)
    with no_thread_left(), pytest.raises(ImageError) as caught, ExitStack() as stack:  # noqa: PT012
        numbers = stack.enter_context(ahead(first.items, stop))
        twice = stack.enter_context(ahead(doubled(numbers), stop, stage="double"))
        for item in stack.enter_context(ahead(doubled(twice), stop, stage="again")):
            assert item % 4 == 0
    assert caught.value is error


def test_the_first_error_wins() -> None:
    """The stage in the middle fails while the one before it has failed already, but is not asked any more."""

    def fails(items: Iterable[int]) -> Generator[int, None, None]:
        yield from zip_first(items, 2)
        first.ended.wait(LONG)
        raise ImageError("the middle")

    def zip_first(items: Iterable[int], count: int) -> Iterator[int]:
        iterator = iter(items)
        return (next(iterator) for _ in range(count))

    stop = Stop(nothing)
    first = Counting(3, error=OSError("the begin"))
    with no_thread_left(), pytest.raises(ImageError, match="the middle"), ExitStack() as stack:  # noqa: PT012
        numbers = stack.enter_context(ahead(first.items, stop))
        for _ in stack.enter_context(ahead(fails(numbers), stop, stage="middle")):
            pass


# ------------------------------------------------------------------------------------------ the end


def test_leaving_ends_a_producer_that_waits_for_room() -> None:
    numbers = Counting()
    with no_thread_left():
        with ahead(numbers.items, Stop(nothing)):
            until(lambda: numbers.made == 2)
        assert numbers.ended.is_set()
        assert numbers.threads == ["czengine-make"]


def test_leaving_ends_a_consumer_that_waits_for_items() -> None:
    """The second stage waits for the first, which waits for something that only the end brings."""
    stop, never = Stop(nothing), queue.Queue[int]()
    waiting = threading.Event()

    def stuck() -> Generator[int, None, None]:
        waiting.set()
        yield stop.take(never)

    with no_thread_left(), ExitStack() as stack:
        items = stack.enter_context(ahead(stuck(), stop))
        stack.enter_context(ahead(doubled(items), stop, stage="double"))
        assert waiting.wait(LONG)


def test_leaving_with_an_error_ends_all_stages_and_keeps_the_error() -> None:
    stop, numbers = Stop(nothing), Counting()
    with no_thread_left(), pytest.raises(ZeroDivisionError), ExitStack() as stack:  # noqa: PT012
        items = stack.enter_context(ahead(numbers.items, stop))
        for item in stack.enter_context(ahead(doubled(items), stop, stage="double")):
            1 // (4 - item)


def test_the_users_wish_to_stop_is_noticed_while_waiting() -> None:
    token, waiting = CancelToken(), threading.Event()
    stop = Stop(token.check)
    never = queue.Queue[int]()

    def stuck() -> Generator[int, None, None]:
        yield 1
        waiting.set()
        yield stop.take(never)

    def later() -> None:
        assert waiting.wait(LONG)
        token.cancel()

    user = threading.Thread(target=later)
    with no_thread_left(), pytest.raises(Cancelled), ahead(stuck(), stop) as found:  # noqa: PT012
        user.start()
        assert list(found) == [1, 2]
    user.join()


def test_only_the_thread_of_the_run_asks_the_user() -> None:
    asked: list[str] = []
    stop = Stop(lambda: asked.append(threading.current_thread().name))
    thread = threading.Thread(target=stop.check)
    thread.start()
    thread.join()
    assert asked == []
    stop.check()
    assert asked == ["MainThread"]


def test_once_asked_everybody_stops() -> None:
    stop, full = Stop(nothing), queue.Queue[int](1)
    stop.put(full, 1)
    stop.ask()
    with pytest.raises(Stopped):
        stop.check()
    with pytest.raises(Stopped):
        stop.put(full, 2)
    assert stop.take(full) == 1
    with pytest.raises(Stopped):
        stop.take(full)


def test_a_run_that_cannot_go_on_waiting_raises_what_the_check_raises() -> None:
    def check() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        Stop(check).take(queue.Queue[int]())
    full = queue.Queue[int](1)
    full.put(1)
    with pytest.raises(Cancelled, match="enough"):
        Stop(check).put(full, 2)
