"""One line of what a framework raised, fit to stand inside a sentence.

Keras puts the layer into the first line and the cause into the second, colours both, and lists arguments after them;
code that TensorFlow rewrote raises with a traceback as its text.
"""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OUTER = "Exception encountered when calling"
_REWRITTEN = ("in user code:", "Exception ignored in:")
_RAISED = re.compile(r"^\s+(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.+)$", re.MULTILINE)
_LONGEST = 300


def reason(error: BaseException) -> str:
    """What is wrong, in one line without a full stop, at most 300 characters."""
    text = _COLOURS.sub("", str(error))
    raised = _RAISED.search(text) if text.startswith(_REWRITTEN) else None
    if raised is not None:
        text = text[raised.start(2) :]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    said = lines[0]
    if said.startswith(_OUTER) and len(lines) > 1:
        said = f"{said[len(_OUTER) :].strip().rstrip('.')}: {_cause(lines[1:])}"
    return shortened(said)


def shortened(text: str) -> str:
    """The text on one line without a full stop, at most 300 characters and an ellipsis."""
    text = " ".join(text.split()).rstrip(". ")
    return text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + "…"


def _cause(lines: list[str]) -> str:
    """The cause below the line that names the layer, where it may be inside another one."""
    inner = [line for line in lines if not line.startswith(_OUTER)]
    return (inner or lines)[0]
