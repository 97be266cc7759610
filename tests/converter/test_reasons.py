"""What frameworks raise, in one line that fits into a sentence."""

from __future__ import annotations

import pytest

from czconverter.reasons import reason, shortened


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain.", "plain"),
        ("first line\nsecond line", "first line"),
        ("", "ValueError"),
        (
            "Exception encountered when calling Conv2D.call().\n\n\x1b[1mdims must match.\x1b[0m\n\nArguments: …",
            "Conv2D.call(): dims must match",
        ),
        (
            "Exception encountered when calling Sequential.call().\n\nException encountered when calling Add.call().\n"
            "\ndims must match\n\nArguments received by …",
            "Sequential.call(): dims must match",
        ),
        (
            'in user code:\n\n    File "a.py", line 3, in call  *\n        fail()\n\n    ValueError: dims must match\n',
            "dims must match",
        ),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_reason(text: str, expected: str) -> None:
    assert reason(ValueError(text)) == expected


def test_shortened() -> None:
    assert shortened(" one\n two.  ") == "one two"
    assert shortened("x" * 299 + " y") == "x" * 299 + "…"
