"""Times add up per stage, and the trace is a file that other programs understand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from czengine.errors import OutputError
from czengine.meter import Meter, StageTime, Trace, peak_memory

FULL = Path("/dev/full")  # takes nothing: every write finds the disk full


def events(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def in_thread(name: str, work: Any) -> None:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


# ------------------------------------------------------------------------------------------ adding up


def test_busy_and_waiting_are_added_up_per_stage() -> None:
    meter, start = Meter(), time.perf_counter()
    for _ in range(3):
        with meter.busy("run"):
            time.sleep(0.002)
    with meter.waiting("run"):
        time.sleep(0.002)
    with meter.busy("read"):
        pass
    whole = time.perf_counter() - start
    run, read, write = meter.stages("run", "read", "write")
    assert (run.stage, run.items) == ("run", 3)
    assert run.busy >= 0.006
    assert run.waiting >= 0.002
    assert run.busy + run.waiting + read.busy <= whole
    assert (read.items, read.waiting) == (1, 0)
    assert write == StageTime(stage="write", busy=0, waiting=0, items=0)


def test_stages_come_in_the_order_asked_for() -> None:
    meter = Meter()
    assert [stage.stage for stage in meter.stages("b", "a", "c")] == ["b", "a", "c"]
    assert meter.stages() == ()


def test_what_fails_took_time_too() -> None:
    meter = Meter()
    with pytest.raises(KeyError), meter.busy("run"):
        raise KeyError
    with pytest.raises(KeyError), meter.waiting("run"):
        raise KeyError
    (run,) = meter.stages("run")
    assert run.items == 1
    assert run.busy > 0
    assert run.waiting > 0


def test_threads_add_to_the_same_stage() -> None:
    meter = Meter()

    def work() -> None:
        for _ in range(500):
            with meter.busy("write"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.stages("write")[0].items == 2000


# ------------------------------------------------------------------------------------------ the trace


def test_the_trace_tells_what_every_thread_did_when(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with Trace(path) as trace:
        meter = Meter(trace)

        def work() -> None:
            with meter.busy("write", y=512, x=0):
                time.sleep(0.001)

        with meter.busy("stitch"), meter.waiting("stitch"):
            in_thread("czengine-write_0", work)
    found = events(path)
    names = {e["tid"]: e["args"]["name"] for e in found if e.get("name") == "thread_name"}
    spans = {e["name"]: e for e in found if e["ph"] == "X"}
    assert set(spans) == {"stitch", "stitch waits", "write"}
    assert names[spans["write"]["tid"]] == "czengine-write_0"
    assert names[spans["stitch"]["tid"]] == threading.current_thread().name
    assert spans["write"]["args"] == {"y": 512, "x": 0}
    assert {e["pid"] for e in found} == {os.getpid()}
    edges = [(spans[n]["ts"], spans[n]["ts"] + spans[n]["dur"]) for n in ("stitch", "stitch waits", "write")]
    for outer, inner in pairwise(edges):
        assert outer[0] - 0.2 <= inner[0] <= inner[1] <= outer[1] + 0.2  # times are rounded to 0.1 µs
    assert edges[0][0] >= 0
    assert edges[2][1] - edges[2][0] >= 1000


def test_every_event_is_one_that_viewers_know(tmp_path: Path) -> None:
    """See the Trace Event Format: "X" are spans with begin and duration, "M" are names; nothing else is needed."""
    path = tmp_path / "trace.json"
    with Trace(path) as trace, Meter(trace).busy("run", tiles=8):
        pass
    for event in events(path):
        assert event["ph"] in "XM"
        assert {"name", "pid", "tid", "args"} <= set(event)
        assert event["ph"] == "M" or {"ts", "dur"} <= set(event)
        assert event["ph"] == "X" or event["name"] in ("thread_name", "process_name")


def test_a_thread_that_takes_the_place_of_another_keeps_its_own_name(tmp_path: Path) -> None:
    """Systems give the number of a thread that ended to the next one: images of a run follow each other like this."""
    path = tmp_path / "trace.json"
    with Trace(path) as trace:
        meter = Meter(trace)

        def work() -> None:
            with meter.busy(threading.current_thread().name):
                pass

        for name in ["gather", "run", "gather", "write", "run"]:
            in_thread(name, work)
    found = events(path)
    names = {e["tid"]: e["args"]["name"] for e in found if e.get("name") == "thread_name"}
    assert [names[e["tid"]] for e in found if e["ph"] == "X"] == ["gather", "run", "gather", "write", "run"]
    assert sorted(names.values()) == ["gather", "run", "write"]  # one track each, however many threads


def test_a_trace_without_events_is_valid_too(tmp_path: Path) -> None:
    with Trace(tmp_path / "trace.json"):
        pass
    assert all(event["ph"] == "M" for event in events(tmp_path / "trace.json"))


def test_what_was_written_is_on_disk_when_the_run_fails(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with pytest.raises(KeyError), Trace(path) as trace, Meter(trace).busy("run"):
        raise KeyError
    assert [e["name"] for e in events(path) if e["ph"] == "X"] == ["run"]


def test_names_and_facts_may_hold_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with Trace(path) as trace, Meter(trace).busy("write", image='"Zellkörper"\n/核.zarr'):
        pass
    assert [e["args"] for e in events(path) if e["ph"] == "X"] == [{"image": '"Zellkörper"\n/核.zarr'}]


@pytest.mark.parametrize("place", [".", "absent/trace.json"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    with pytest.raises(OutputError, match=f"cannot write the trace {path}"):
        Trace(path)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("count", [0, 1, 5000])
def test_a_full_disk_is_an_error_of_ours(count: int) -> None:
    """Text waits in a buffer: the disk may be found full only when the file is closed."""
    with pytest.raises(OutputError, match="cannot write the trace /dev/full"), Trace(FULL) as trace:  # noqa: PT012
        for _ in range(count):
            trace.add("run", 0.0, 1.0, {})


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_hide_why_the_run_failed() -> None:
    with pytest.raises(KeyError, match="why"), Trace(FULL) as trace:  # noqa: PT012
        trace.add("run", 0.0, 1.0, {})
        raise KeyError("why")


# ------------------------------------------------------------------------------------------ memory


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_the_peak_is_in_bytes_and_grows_with_what_is_held() -> None:
    """In a process of its own, and nothing of the one that starts it counts."""
    code = """if True:
        from czengine.meter import peak_memory
        before = peak_memory()
        held = b"x" * 2**26
        del held
        print(before, peak_memory())
    """
    held = b"x" * 2**27
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 2**20 < before < len(held)
    assert 0.9 * 2**26 < after - before < 1.2 * 2**26


def test_this_process_knows_its_peak_too() -> None:
    peak = peak_memory()
    assert (peak is None) == (sys.platform == "win32")
    assert peak is None or 2**20 < peak < 2**42
