"""What a licence may be called, where it comes from, and that the same contents are the same archive."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from czconverter.options import TargetFormat
from czconverter.package import archive_bytes
from czconverter.package.contents import licence_file, licence_inside
from czengine.errors import OptionError
from czengine.model import read_model
from tests.support.archives import MODEL_ID, czann_archive, legacy_archive
from tests.support.contents import make_contents

BAD_NAMES = {
    "": "is called '', which readers pass over; call it LICENSE.txt",
    ".licence": "is called '.licence', which readers pass over; call it LICENSE.txt",
    "modelid=mine": "is called 'modelid=mine', which readers pass over; call it LICENSE.txt",
    "a.JSON": "is called 'a.JSON', which readers may take for the model; call it LICENSE.txt",
    "model.json": "is called 'model.json', which readers may take for the model; call it LICENSE.txt",
    "a.xml": "is called 'a.xml', which readers may take for the model; call it LICENSE.txt",
    "a.model": "is called 'a.model', which readers may take for the model; call it LICENSE.txt",
    "a/b.txt": "is called 'a/b.txt', which is no plain file name; rename it",
    "a\\b.txt": "is called 'a\\\\b.txt', which is no plain file name; rename it",
    "c:b.txt": "is called 'c:b.txt', which is no plain file name; rename it",
    "a\nb": "is called 'a\\nb', which is no plain file name; rename it",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_a_licence_may_not_have(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        make_contents(licence=(name, b"mine"))
    assert str(caught.value) == f"the licence {BAD_NAMES[name]}"


@pytest.mark.parametrize("name", ["LICENSE", "license.txt", "Lizenz für Käfer.pdf", "model", "xml"])
def test_names_a_licence_may_have(name: str) -> None:
    assert make_contents(licence=(name, b"mine")).licence == (name, b"mine")


def test_a_licence_file(tmp_path: Path) -> None:
    (tmp_path / "LICENSE.txt").write_bytes(b"mine")
    assert licence_file(tmp_path / "LICENSE.txt") == ("LICENSE.txt", b"mine")


def test_a_licence_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"^the licence .*/absent.txt cannot be read \(No such file or directory\); c"
    ):
        licence_file(tmp_path / "absent.txt")


def test_a_licence_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match=r"/folder cannot be read \(Is a directory\); check the path$"):
        licence_file(tmp_path / "folder")


def test_a_licence_file_that_is_none(tmp_path: Path) -> None:
    with (tmp_path / "LICENSE").open("wb") as file:
        file.truncate(16 * 2**20 + 1)
    with pytest.raises(OptionError, match=r"/LICENSE has more than 16777216 bytes; that is no licence$"):
        licence_file(tmp_path / "LICENSE")


def test_a_licence_file_of_a_bad_name_is_not_even_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"is called 'a.json'"):
        licence_file(tmp_path / "a.json")


@pytest.mark.parametrize("maker", [czann_archive, legacy_archive])
def test_a_licence_inside_an_archive(tmp_path: Path, maker: type) -> None:
    with_one = maker(tmp_path / "a", extra={"LICENSE.txt": b"mine"})
    assert licence_inside(with_one, read_model(with_one).spec) == ("LICENSE.txt", b"mine")
    without = maker(tmp_path / "b")
    assert licence_inside(without, read_model(without).spec) is None


# ---------------------------------------------------------------------------------------------- determinism

_PRINT_DIGESTS = """
from hashlib import sha256
from czconverter.package import archive_bytes
from tests.support.contents import make_contents
contents = make_contents(network=b"net" * 1000, licence=("LICENSE", b"mine"), name="Käfer", pixel_size=(1e-7, 1e-7))
print(*(sha256(archive_bytes(contents, format)).hexdigest() for format in ("czmodel", "czann")))
"""


@pytest.mark.parametrize(("seed", "zone"), [("1", "UTC"), ("2", "Pacific/Auckland")])
def test_the_same_contents_give_the_same_bytes_in_any_process(seed: str, zone: str) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONHASHSEED": seed,
        "TZ": zone,
    }
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", _PRINT_DIGESTS],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    contents = make_contents(
        network=b"net" * 1000, licence=("LICENSE", b"mine"), name="Käfer", pixel_size=(1e-7, 1e-7)
    )
    formats: tuple[TargetFormat, ...] = ("czmodel", "czann")
    assert done.stdout.split() == [sha256(archive_bytes(contents, format)).hexdigest() for format in formats]


def test_formats_differ_in_their_members() -> None:
    contents = make_contents()
    assert f"modelid={MODEL_ID}".encode() in archive_bytes(contents, "czmodel")
    assert b"model.json" in archive_bytes(contents, "czann")
