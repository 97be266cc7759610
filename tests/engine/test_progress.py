"""How far a run is, and how it is stopped from outside."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from czengine.errors import Cancelled
from czengine.progress import CancelToken, Progress, Tracker


def progress(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "image": "a",
        "images_done": 0,
        "images": 1,
        "pixels_done": 0,
        "pixels": 4_000_000,
        "seconds": 2.0,
    }
    return Progress(**{**values, **changes})


@pytest.mark.parametrize(
    ("done", "seconds", "rate", "remaining"),
    [
        (1_000_000, 2.0, 0.5, 6.0),
        (4_000_000, 2.0, 2.0, 0.0),
        (0, 2.0, 0.0, None),
        (1_000_000, 0.0, 0.0, None),
    ],
)
def test_the_rate_tells_what_remains(done: int, seconds: float, rate: float, remaining: float | None) -> None:
    state = progress(pixels_done=done, seconds=seconds)
    assert state.rate == rate
    assert state.remaining == remaining


def test_pixels_add_up_over_images() -> None:
    told: list[Progress] = []
    tracker = Tracker(images=2, pixels=30, listener=told.append)
    tracker.begin("a")
    tracker.advance(4)
    tracker.advance(6)
    tracker.begin("b")
    tracker.advance(20)
    seen = [(state.image, state.images_done, state.pixels_done) for state in told]
    assert seen == [("a", 0, 0), ("a", 0, 4), ("a", 0, 10), ("b", 1, 10), ("b", 1, 30)]
    assert {(state.images, state.pixels) for state in told} == {(2, 30)}
    seconds = [state.seconds for state in told]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0


def test_nobody_has_to_listen() -> None:
    tracker = Tracker(images=1, pixels=1, listener=None)
    tracker.begin("a")
    tracker.advance(1)


def test_what_a_listener_raises_stops_the_run() -> None:
    def listen(state: Progress) -> None:
        raise KeyError(state.image)

    with pytest.raises(KeyError, match="a"):
        Tracker(images=1, pixels=1, listener=listen).begin("a")


def test_a_token_stops_from_any_thread_once_and_for_all() -> None:
    token = CancelToken()
    token.check()
    thread = threading.Thread(target=token.cancel)
    thread.start()
    thread.join()
    token.cancel()
    for _ in range(2):
        with pytest.raises(
            Cancelled, match="stopped on request; nothing half-written was left behind"
        ) as caught:
            token.check()
        assert caught.value.exit_code == 130
