"""What the documents show is run, and what the commands offer is documented.

A fenced block is `console` (commands and their output), `python`, or `sh` (set-up that `.ci/run` and `scripts/` do);
a block without a language is a drawing. In expected output "..." stands for anything. A page whose blocks need packages
that not everybody has says so in a comment, `<!-- needs: tensorflow -->`.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from czengine.cli.app import app
from tests.support.frameworks import need

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NEEDS = re.compile(r"<!-- needs: ([\w ]+) -->")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = "$ czengine predict demo.czann demo.ome.zarr --preview demo.png"  # printed by the demo
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*match.groups()) for match in FENCE.finditer(page.read_text())]


def console_steps(text: str) -> list[tuple[str, str]]:
    """Commands with what they print; the demo prints one of its own."""
    steps: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ ") and line != DEMO:
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in steps]


def run(command: str, folder: Path) -> str:
    """stdout of a czengine command; anything else than success fails the test."""
    first, *arguments = command.split()
    assert first == "czengine", f"only czengine is run here, not {command!r}"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", first, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def matches(wanted: str, got: str) -> bool:
    """Equal but for white space, and but for "..."."""
    if not wanted.strip():
        return True
    return doctest.OutputChecker().check_output(f"{wanted.strip()}\n", f"{got.strip()}\n", LENIENT)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_does_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page, in one folder, which is empty at first."""
    for name in " ".join(NEEDS.findall(page.read_text())).split():
        need(name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "console":
            for command, wanted in console_steps(block.text):
                got = run(command, tmp_path)
                assert matches(wanted, got), f"{command}\n{got}"
        elif block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)
        elif block.language == "sh":
            check_known(block.text)
        else:
            assert block.language == "", f"{page.name} has a {block.language} block, which nothing checks"


def check_known(text: str) -> None:
    """Every set-up command is one that CI runs, or a script that is there."""
    ci = (ROOT / ".ci" / "run").read_text()
    for line in text.splitlines():
        command = line.partition("#")[0].strip()
        script = ROOT / command.split()[0]
        assert command in ci or script.is_file() or command.startswith((". ", "source ")), command


def commands() -> dict[str, Any]:
    """Every command by name, those of the converter too."""
    group = typer.main.get_command(app)
    context = typer.Context(group)
    names = group.list_commands(context)
    return {name: group.resolve_command(context, [name])[1] for name in names}


def test_every_command_and_option_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    converting = (ROOT / "docs" / "converting.md").read_text()
    assert {"predict", "inspect", "demo", "convert", "unpack"} <= set(commands())
    for name, command in commands().items():
        page = converting if name in ("convert", "unpack") else guide
        assert f"`{name}" in page or f"czengine {name}" in page
        options = {option for parameter in command.params for option in parameter.opts}
        assert sorted(o for o in options if o.startswith("--") and o not in page) == [], name


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
