"""A target is there completely or not at all, whatever happens; and what names say about formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from czconverter.options import TargetFormat
from czconverter.package.staging import format_of, staged, staged_folder, target_path
from czengine.errors import ModelError, OptionError, OutputError
from tests.support.fulldisk import run_on_small_disk
from tests.support.results import snapshot


def write_file(target: Path, then: Callable[[], object]) -> None:
    """Write a file; `then` happens before it is complete."""
    with staged(target, overwrite=target.exists()) as path:
        path.write_bytes(b"half")
        then()


def write_folder(target: Path, then: Callable[[], object]) -> None:
    """The same for a folder."""
    with staged_folder(target) as folder:
        fill(folder)
        then()


def fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_bytes(b"new")


def fails(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def writes(path: Path) -> Callable[[], object]:
    """Somebody else writes there."""

    def write() -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"theirs")

    return write


# ---------------------------------------------------------------------------------------------- a file


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.czann"
    with staged(target, overwrite=False) as path:
        assert (path.parent, path.stat().st_size) == (tmp_path, 0)
        assert path.name.startswith(f".{os.getpid()}-")
        path.write_bytes(b"new")
        assert not target.exists()
    assert snapshot(tmp_path) == {"a.czann": b"new"}


def test_it_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with staged(tmp_path / "a", overwrite=False) as path:
        path.write_bytes(b"new")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with staged(tmp_path / "x" / "y" / "a", overwrite=False) as path:
        path.write_bytes(b"new")
    assert (tmp_path / "x" / "y" / "a").read_bytes() == b"new"


def test_a_relative_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with staged(Path("a.czann"), overwrite=False) as path:
        path.write_bytes(b"new")
    assert snapshot(tmp_path) == {"a.czann": b"new"}


def test_what_is_there_is_replaced_when_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with staged(tmp_path / "a", overwrite=True) as path:
        assert (tmp_path / "a").read_bytes() == b"old"
        path.write_bytes(b"new")
    assert snapshot(tmp_path) == {"a": b"new"}


@pytest.mark.parametrize(
    "error", [ModelError("no"), KeyboardInterrupt(), SystemExit(1), FileNotFoundError(2, "", "x")]
)
@pytest.mark.parametrize("place", ["a", "x/y/a"])
def test_nothing_is_left_of_what_went_wrong(tmp_path: Path, error: BaseException, place: str) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(type(error)) as caught:
        write_file(tmp_path / place, fails(error))
    assert caught.value is error
    assert snapshot(tmp_path) == {"a": b"old"}


def test_folders_made_for_nothing_stay_if_somebody_used_them(tmp_path: Path) -> None:
    def use_and_fail() -> None:
        writes(tmp_path / "x" / "other")()
        raise ModelError("no")

    with pytest.raises(ModelError):
        write_file(tmp_path / "x" / "a", use_and_fail)
    assert snapshot(tmp_path) == {"x": b"", "x/other": b"theirs"}


def refusal(context: AbstractContextManager[Path]) -> str:
    """Message of the error that keeps us from starting."""
    with pytest.raises(OutputError) as caught, context:
        pytest.fail("must be refused before work starts")
    return str(caught.value)


def test_a_target_that_is_there(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    message = f"{target} exists already; give --overwrite to replace it, or choose another name"
    assert refusal(staged(target, overwrite=False)) == message
    assert snapshot(tmp_path) == {"a": b"old"}


def test_a_link_to_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    assert "exists already" in refusal(staged(tmp_path / "a", overwrite=False))


def test_a_target_that_came_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        write_file(tmp_path / "a", writes(tmp_path / "a"))
    assert snapshot(tmp_path) == {"a": b"theirs"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_target_that_is_a_folder(tmp_path: Path, overwrite: bool) -> None:
    assert refusal(staged(tmp_path, overwrite=overwrite)) == f"{tmp_path} is a folder; name a file in it"


def test_a_target_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "a", tmp_path / "file" / "x" / "a"):
        message = f"cannot write {target}: part of its path is a file, not a folder; choose another place"
        assert refusal(staged(target, overwrite=False)) == message


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    target = tmp_path / ("a" * 300)
    with (
        pytest.raises(OutputError, match=r"^cannot write .*: File name too long$"),
        staged(target, overwrite=False),
    ):
        pass
    assert snapshot(tmp_path) == {}


def test_a_name_that_is_just_short_enough(tmp_path: Path) -> None:
    with staged(tmp_path / ("a" * 255), overwrite=False) as path:
        path.write_bytes(b"new")
    assert list(snapshot(tmp_path)) == ["a" * 255]


_WRITE = """
from pathlib import Path
import subprocess, os
from czconverter.package.staging import staged, staged_folder
from czengine.errors import OutputError
folder = Path({folder!r})
(folder / "a").write_bytes(b"old")
if {read_only}:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
try:
    if {file}:
        with staged(folder / "a", overwrite=True) as path:
            path.write_bytes(bytes(8 * 2**20))
    else:
        with staged_folder(folder / "b") as path:
            (path / "x").mkdir()
            (path / "x" / "y").write_bytes(bytes(8 * 2**20))
except OutputError as error:
    print(error)
print(os.listdir(folder), (folder / "a").read_bytes())
"""
_LEFT = "['a'] b'old'\n"


@pytest.mark.parametrize(("file", "name"), [(True, "a"), (False, "b")])
def test_a_full_disk(tmp_path: Path, file: bool, name: str) -> None:
    said = run_on_small_disk(tmp_path, _WRITE.format(folder=str(tmp_path), read_only=False, file=file))
    message = f"disk full while writing {tmp_path / name}; free some space, or choose another place\n"
    assert said == message + _LEFT


@pytest.mark.parametrize(("file", "name"), [(True, "a"), (False, "b")])
def test_a_read_only_disk(tmp_path: Path, file: bool, name: str) -> None:
    said = run_on_small_disk(tmp_path, _WRITE.format(folder=str(tmp_path), read_only=True, file=file))
    message = f"cannot write {tmp_path / name} (Read-only file system); choose another place\n"
    assert said == message + _LEFT


# ---------------------------------------------------------------------------------------------- a folder


@pytest.mark.parametrize("place", ["new", "x/y/new", "empty", "x/../new"])
def test_a_folder_appears_at_the_end(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    target = tmp_path / place
    with staged_folder(target) as folder:
        fill(folder)
        assert not (target / "sub").exists()
    assert (target / "sub" / "file").read_bytes() == b"new"
    assert not list(tmp_path.rglob("*czengine-partial"))


@pytest.mark.parametrize("error", [ModelError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["x/y/new", "empty"])
def test_nothing_is_left_of_a_folder_that_went_wrong(
    tmp_path: Path, error: BaseException, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(type(error)):
        write_folder(tmp_path / place, fails(error))
    assert snapshot(tmp_path) == {"empty": b""}


def test_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(staged_folder(tmp_path)) == f"{tmp_path} is a folder with something in it; name a new one"
    target = tmp_path / "file"
    assert refusal(staged_folder(target)) == f"{target} is a file; name a new folder"
    assert list(snapshot(tmp_path)) == ["file"]


@pytest.mark.parametrize("name", [".", ""])
def test_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    message = f"{tmp_path} cannot be replaced by a new folder; name one inside it"
    assert refusal(staged_folder(Path(name))) == message
    assert snapshot(tmp_path) == {}


def test_a_link_to_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    assert "cannot be replaced" in refusal(staged_folder(tmp_path / "link"))


def test_a_folder_that_was_filled_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(OutputError, match="something in it"):
        write_folder(target, writes(target / "theirs"))
    assert snapshot(tmp_path) == {"new": b"", "new/theirs": b"theirs"}


# ---------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "format", "becomes"),
    [
        ("a", "czann", "a.czann"),
        ("a", "czmodel", "a.czmodel"),
        ("a.czann", "czann", "a.czann"),
        ("a.CZANN", "czann", "a.CZANN"),
        ("a.czmodel", "czmodel", "a.czmodel"),
        ("a.CzSeg", "czmodel", "a.CzSeg"),
        ("v1.2", "czann", "v1.2.czann"),
        (".czann", "czann", ".czann.czann"),
        ("folder/a", "czann", "folder/a.czann"),
    ],
)
def test_the_extension_is_appended_once(name: str, format: TargetFormat, becomes: str) -> None:
    assert target_path(Path(name), format) == Path(becomes)


@pytest.mark.parametrize("name", ["", ".", "..", "a/.."])
def test_a_target_that_names_no_file(name: str) -> None:
    with pytest.raises(OptionError, match=r"names no file; give one such as model.czann$"):
        target_path(Path(name), "czann")


@pytest.mark.parametrize(
    ("name", "asked", "format"),
    [
        ("a.czann", None, "czann"),
        ("a.CZMODEL", None, "czmodel"),
        ("a.czseg", None, "czmodel"),
        ("a.czseg", "czmodel", "czmodel"),
        ("a", "czann", "czann"),
        ("a.b", "czmodel", "czmodel"),
    ],
)
def test_the_format(name: str, asked: TargetFormat | None, format: TargetFormat) -> None:
    assert format_of(Path(name), asked) == format


def test_a_format_nobody_says() -> None:
    message = r"^the format of a.onnx is unknown; end it in .czann or .czmodel, or give --format$"
    with pytest.raises(OptionError, match=message):
        format_of(Path("a.onnx"), None)


def test_a_format_that_contradicts_the_name() -> None:
    message = r"^a.czseg is to be a czann, but its name says czmodel; change one of them$"
    with pytest.raises(OptionError, match=message):
        format_of(Path("a.czseg"), "czann")
