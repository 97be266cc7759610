"""Text of the command line becomes the values it stands for, or a sentence that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.cli.options import DEFAULT_MEMORY, InputText, WorkText, parse_bytes, parse_pair
from czengine.config import DEFAULT_MEMORY_LIMIT, InputOptions, RunOptions, TilingOptions
from czengine.errors import OptionError


def work(**changes: Any) -> WorkText:
    """The options as they are when nobody types any."""
    values: dict[str, Any] = {
        "tiling": "intellesis",
        "tile_size": None,
        "border": None,
        "memory_limit": DEFAULT_MEMORY,
        "device": "auto",
        "batch": 1,
        "threads": None,
        "no_memo": False,
        "no_compile": False,
    }
    return WorkText(**{**values, **changes})


# ------------------------------------------------------------------------------------------ two numbers


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        (None, None),
        ("512", (512, 512)),
        ("512,1024", (512, 1024)),
        (" 512 , 1024 ", (512, 1024)),
        ("0", (0, 0)),
        ("0,7", (0, 7)),
        ("007", (7, 7)),
    ],
)
def test_pairs(text: str | None, pair: tuple[int, int] | None) -> None:
    assert parse_pair("border", text) == pair


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "512,",
        ",512",
        "1,2,3",
        "-1",
        "1,-1",
        "+1",
        "1.5",
        "1e3",
        "512x512",
        "0x10",
        "a",
        "1 2",
        "1_000",
        "²",
        "9" * 5000,
    ],
)
def test_what_is_no_pair(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_pair("tile-size", text)
    assert str(caught.value) == (
        f"tile-size {text!r} is not understood; write e.g. 512 or 512,1024 (height,width)"
    )


@given(height=st.integers(0, 10**9), width=st.integers(0, 10**9))
def test_any_two_whole_numbers_are_a_pair(height: int, width: int) -> None:
    assert parse_pair("border", f"{height},{width}") == (height, width)
    assert parse_pair("border", f"{height}") == (height, height)


# ------------------------------------------------------------------------------------------ bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000000", 1_000_000),
        ("1000000B", 1_000_000),
        ("0", 0),
        ("1", 1),
        ("512MiB", 512 * 2**20),
        ("2GiB", 2**31),
        ("2GB", 2 * 10**9),
        ("1.5GB", 1_500_000_000),
        ("1.5GiB", 3 * 2**29),
        ("0.5KiB", 512),
        ("1TiB", 2**40),
        ("3TB", 3 * 10**12),
        ("2G", 2 * 10**9),
        ("2Gi", 2**31),
        ("64k", 64_000),
        ("2gib", 2**31),
        ("2 GiB", 2**31),
        (" 2GiB\n", 2**31),
        ("2 B", 2),
        ("9007199254740993", 2**53 + 1),
    ],
)
def test_bytes(text: str, size: int) -> None:
    assert parse_bytes("memory-limit", text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "B",
        "GiB",
        "-1",
        "+1",
        "-2GiB",
        "2GiBs",
        "2 G iB",
        "2iB",
        "2PB",
        "1,5GB",
        "1.GB",
        ".5GB",
        "1e9",
        "0x10",
        "2GiB 3",
        "two",
        "nan",
        "inf",
        "2\N{KELVIN SIGN}B",
        "2G\N{LATIN SMALL LETTER DOTLESS I}B",
        "٢GiB",
        "9" * 400,
        "9" * 400 + "GiB",
    ],
)
def test_what_is_no_number_of_bytes(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_bytes("memory-limit", text)
    assert str(caught.value) == f"memory-limit {text!r} is not understood; write e.g. 512MiB or 2GiB"


@given(number=st.integers(0, 9999), prefix=st.sampled_from(" KMGT"), binary=st.booleans())
def test_prefixes_count_in_thousands_or_1024s(number: int, prefix: str, binary: bool) -> None:
    power = " KMGT".index(prefix)
    unit = prefix.strip() + ("i" if binary and power else "") + "B"
    assert parse_bytes("memory-limit", f"{number}{unit}") == number * (1024 if binary else 1000) ** power


# ------------------------------------------------------------------------------------------ all together


def test_nothing_typed_is_what_the_library_does_by_itself() -> None:
    assert work().tiling_options() == TilingOptions()
    assert work().run_options() == RunOptions()
    assert parse_bytes("memory-limit", DEFAULT_MEMORY) == DEFAULT_MEMORY_LIMIT
    text = InputText(
        axes=None, image=None, level=0, channel=None, select=None, scale_inputs=None, color_order="auto"
    )
    assert text.options() == InputOptions()


def test_everything_typed_arrives() -> None:
    typed = work(
        tiling="seamless",
        tile_size="512,256",
        border="32",
        memory_limit="512MiB",
        device="openvino:GPU",
        batch=4,
        threads=3,
        no_memo=True,
        no_compile=True,
        trace=Path("trace.json"),
    )
    assert typed.tiling_options() == TilingOptions(method="seamless", tile=(512, 256), border=(32, 32))
    assert typed.run_options() == RunOptions(
        batch=4,
        threads=3,
        device="openvino:GPU",
        memory_limit=2**29,
        memo=False,
        compile=False,
        trace=Path("trace.json"),
    )
    text = InputText(
        axes="TCZYX",
        image="A/1/0",
        level=1,
        channel="2,DAPI",
        select="t=0:10,z=3",
        scale_inputs=False,
        color_order="bgr",
    )
    assert text.options() == InputOptions(
        axes="TCZYX",
        image="A/1/0",
        level=1,
        channels=(2, "DAPI"),
        select={"t": (0, 10), "z": (3, 4)},
        scale_inputs=False,
        color_order="bgr",
    )


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"tile_size": "big"}, "tile-size 'big' is not understood"),
        ({"border": "4,4,4"}, "border '4,4,4' is not understood"),
        ({"tile_size": "0"}, "tile is 0 × 0 pixels; at least 1 × 1 is needed"),
    ],
)
def test_tilings_that_cannot_be(typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        work(**typed).tiling_options()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"memory_limit": "much"}, "memory-limit 'much' is not understood; write e.g. 512MiB or 2GiB"),
        ({"memory_limit": "0"}, "memory_limit is 0; give bytes"),
        ({"memory_limit": "0.0001KB"}, "memory_limit is 0; give bytes"),
        ({"batch": 0}, "batch is 0; a network call takes at least 1 tile"),
        ({"threads": 0}, "threads is 0; at least 1 is needed"),
    ],
)
def test_work_that_cannot_be_done(typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        work(**typed).run_options()
