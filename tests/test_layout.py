"""The size budget: what keeps the project readable is counted here. Too long means: split it where it has a seam.

Cycles and layers are import-linter's, annotations mypy's (`scripts/lint`).
"""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = tuple(ROOT / top for top in ("engine", "converter", "bench"))
SOURCES = tuple(path for package in PACKAGES for path in sorted(package.rglob("*.py")))
TESTS = tuple(sorted((ROOT / "tests").rglob("*.py")))
ALL = (
    *SOURCES,
    *TESTS,
    *sorted(path for top in ("examples", "scripts") for path in (ROOT / top).glob("*.py")),
)

FILE_LINES, FILE_MEDIAN = 400, 150
FUNCTION_LINES, FUNCTION_P95, FUNCTION_MEDIAN = 80, 50, 12


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> dict[str, int]:
    """Lines per function or method of a file, docstrings included."""
    found = [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {f"{name_of(path)}:{n.lineno} {n.name}": (n.end_lineno or 0) - n.lineno + 1 for n in found}


def test_the_files_are_found() -> None:
    names = {name_of(path) for path in ALL}
    assert {"engine/czengine/errors.py", "converter/czconverter/__init__.py", "tests/test_layout.py"} <= names


def test_no_file_is_too_long() -> None:
    assert {name_of(path): lines(path) for path in ALL if lines(path) > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    sizes = {name: size for path in ALL for name, size in functions(path).items()}
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


def test_files_and_functions_are_mostly_short() -> None:
    sizes = [size for path in SOURCES for size in functions(path).values()]
    assert median(map(lines, SOURCES)) <= FILE_MEDIAN
    assert median(sizes) <= FUNCTION_MEDIAN
    assert quantiles(sizes, n=20)[-1] <= FUNCTION_P95


def test_every_module_says_what_it_is() -> None:
    assert [name_of(path) for path in SOURCES if not ast.get_docstring(tree(path))] == []


def test_packages_are_where_the_build_looks() -> None:
    """The three folders hold one package each and are none themselves: a wheel would lose one silently."""
    for folder in PACKAGES:
        assert not (folder / "__init__.py").exists()
        assert len(list(folder.glob("*/__init__.py"))) == 1


def test_there_are_as_many_lines_of_tests_as_of_code() -> None:
    tests, sources = sum(map(lines, TESTS)), sum(map(lines, SOURCES))
    assert tests >= sources
