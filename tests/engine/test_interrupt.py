"""The first Ctrl-C waits for a safe moment, the second does not."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from czengine.cli.interrupt import deferred_interrupt


def test_the_first_waits_until_it_is_asked_for() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as check:  # noqa: PT012
        check()
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
        check()
    assert reached


def test_the_second_strikes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second one was not heard")


def test_one_that_comes_too_late_changes_nothing() -> None:
    reached = False
    with deferred_interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached


def test_an_error_goes_before_it() -> None:
    with pytest.raises(ValueError, match="the reason"), deferred_interrupt():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("the reason")


def test_afterwards_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as check:
        check()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_get_no_signals_and_need_no_handler() -> None:
    heard: list[str] = []

    def work() -> None:
        with deferred_interrupt() as check:
            check()
            heard.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == ["done"]
