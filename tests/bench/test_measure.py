"""A process is measured from start to end; what it says is read; what cannot be told is not told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from czbench.measure import Failed, drop_cache, fill_cache, measure
from tests.support.commands import Outcome


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def apart(code: str) -> Outcome:
    """Measured by a process that is as small as the one that runs the benchmark."""
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_times_of_the_process() -> None:
    run = measure(python("import time; time.sleep(0.2)"))
    assert run.wall >= 0.2
    assert 0 < run.cpu < run.wall


def test_processor_time_counts_work_not_waiting() -> None:
    idle = measure(python("import time; time.sleep(0.1)"))
    busy = measure(python("import time\nwhile time.process_time() < 0.3: pass"))
    assert busy.cpu >= 0.3
    assert busy.cpu > idle.cpu


def test_the_last_line_with_seconds_is_what_it_says() -> None:
    code = """
print('no json')
print('{"seconds": 1, "event": "progress"}')
print('{"seconds": 2.5, "event": "image", "tiles": 3}')
print('{"event": "done"}')
print('[1]')
"""
    run = measure(python(code))
    assert run.job == 2.5
    assert run.says == {"seconds": 2.5, "event": "image", "tiles": 3}


def test_nothing_said() -> None:
    run = measure(python("pass"))
    assert run.job is None
    assert run.says == {}


def test_variables_are_added_to_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZBENCH_TEST_A", "1")
    code = """
import os, json
print(json.dumps({"seconds": 0, "said": [os.environ["CZBENCH_TEST_A"], os.environ["CZBENCH_TEST_B"]]}))
"""
    assert measure(python(code), environment={"CZBENCH_TEST_B": "2"}).says["said"] == ["1", "2"]


def test_failure_shows_the_end_of_what_was_printed() -> None:
    code = "import sys\nfor n in range(20): print('line', n, file=sys.stderr)\nsys.exit(3)"
    with pytest.raises(Failed, match=r"exit code 3 of: (?s:.*)\)\n(line \d+\n){4}line 19$"):
        measure(python(code))


def test_death_by_signal_is_a_failure() -> None:
    with pytest.raises(Failed, match="exit code -9 of"):
        measure(python("import os; os.kill(os.getpid(), 9)"))


def test_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot be started: No such file"):
        measure([str(tmp_path / "nothing")])


def test_peak_of_a_child_larger_than_its_parent() -> None:
    code = """
import sys
from czbench.measure import measure
small = measure([sys.executable, "-S", "-c", "b = b'x' * 100_000_000"]).peak
large = measure([sys.executable, "-S", "-c", "b = b'x' * 300_000_000"]).peak
assert 100 < small < 250, small
assert 300 < large < 450, large
"""
    outcome = apart(code)
    assert outcome.code == 0, outcome.err


def test_peak_that_may_be_the_parents_is_not_told() -> None:
    code = """
import sys
from czbench.measure import measure
ballast = b'x' * 200_000_000
assert measure([sys.executable, "-S", "-c", "pass"]).peak is None
"""
    outcome = apart(code)
    assert outcome.code == 0, outcome.err


def test_measuring_needs_no_numpy() -> None:
    """The process that measures stays small, or no peak of a contestant can be told."""
    code = "import sys, czbench.streaming; assert not {'numpy', 'zarr', 'czengine'} & sys.modules.keys()"
    outcome = apart(code)
    assert outcome.code == 0, outcome.err


def test_page_cache_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "c").write_bytes(os.urandom(3_000_000))
    (folder / "empty").write_bytes(b"")
    before = (folder / "0" / "c").read_bytes()
    for path in (folder, folder / "0" / "c"):
        fill_cache(path)
        drop_cache(path)
    assert (folder / "0" / "c").read_bytes() == before
