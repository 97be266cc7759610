r"""Reads `.pt2` files of `torch.export.save` so that nothing in them can run code.

`torch.export.load` is not made for files of strangers: it unpickles example inputs and whatever else asks for it,
evaluates sizes that are written as text, imports classes and looks up functions by name, and loads compiled libraries.
So it never sees the file, but a copy that is made here: weights as plain numbers, and the graph after a look at
every text in it. Only this module knows what a harmless `.pt2` file is made of.

    member                              in the copy
    archive_format, archive_version     as they are
    models/<name>.json                  without notes on where nodes come from; every text checked
    data/weights/weight_<n>, _config    as they are, unless pickled
    data/constants/tensor_<n>, _config  as they are, unless pickled
    data/sample_inputs/<name>.pt        empty: it is a pickle
    anything else                       left out
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, NoReturn

from czconverter import frameworks
from czengine.errors import ModelError

_LARGEST = 2**31 - 1  # bytes: an ONNX file in an archive holds no more
_PLAIN = re.compile(r"(\.data/version|archive_format|archive_version|byteorder)")
_TENSORS = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_CONFIGS = re.compile(r"data/(weights|constants)/\w+_config\.json")
_MODEL = re.compile(r"models/(\w+)\.json")

# For people: torch looks up names in them, imports, or compiles them.
_NOTES: dict[str, Any] = {"metadata": {}, "guards_code": [], "treespec_namedtuple_fields": {}}
_OPERATOR = re.compile(r"torch\.ops\.aten\.(?!from_file\.|save\.|load\.)[a-z_0-9]+\.\w+")
_ARITHMETIC = re.compile(r"_operator\.(getitem|add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge)")
_SYMBOL = re.compile(r"[su]\d{1,9}")
_ASSUMPTIONS = ("integer", "positive", "nonnegative")
_FUNCTIONS = ("Integer", "Add", "Mul", "Pow", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CeilDiv")
_LONGEST_SIZE = 2000  # characters
_COMPARING = re.compile("Max|Min|Mod")  # what sympy is slow at, the more so the more of them
_MOST_COMPARING, _MOST_COMPARED = 12, 4
_LARGEST_SIZE = 10**12  # sympy calculates with numbers at once, however large they get
_CONTEXT = re.compile(r'[\w\s"\[\],]*')  # keys of a dict; an object in it would name a class to import
_TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_TEXT = re.compile(r"[\w.+\-]*")
_WORDS = re.compile(r"[\w ,.\->]*")  # of arguments: modes of padding, an einsum


def load_pt2(path: Path) -> Any:
    """The exported program of a `.pt2` file.

    Returns
    -------
    torch.export.ExportedProgram

    Raises
    ------
    ModelError
        Where the file is damaged, or holds anything that a network does not need.
    """
    copy = _harmless(path)
    torch = frameworks.load("torch")
    try:
        with frameworks.quiet():
            return torch.export.load(copy)
    except Exception as error:  # whatever torch's own reading raises: files of another version, mostly
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        raise ModelError(
            f"it cannot be read by torch {torch.__version__}: {reason}; save it again with this version"
        ) from error


def _harmless(path: Path) -> io.BytesIO:
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
            if sum(info.file_size for info in source.infolist()) > _LARGEST:
                raise ModelError("it has more than 2 GB, which an ONNX file in an archive cannot hold")
            for name in dict.fromkeys(source.namelist()):
                _copy_member(name, source, target)
    except ModelError:
        raise
    except (
        Exception
    ) as error:  # zipfile and json find damage in many ways: zlib.error, KeyError, struct.error ...
        raise ModelError(f"it is damaged ({error}); copy or save it again") from error
    copy.seek(0)
    return copy


def _copy_member(name: str, source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    """Write what is needed of one member under the same name."""
    inner = name.partition("/")[2]
    if _PLAIN.fullmatch(inner) or _TENSORS.fullmatch(inner):
        target.writestr(name, source.read(name))
    elif _CONFIGS.fullmatch(inner):
        target.writestr(name, json.dumps(_checked(json.loads(source.read(name)))))
    elif model := _MODEL.fullmatch(inner):
        target.writestr(name, json.dumps(_checked(json.loads(source.read(name)))))
        target.writestr(f"{name.partition('/')[0]}/data/sample_inputs/{model[1]}.pt", b"")


def _checked(value: Any, key: str = "") -> Any:
    """A copy of JSON without notes, after a look at every text; `key` says what it is."""
    if key in _NOTES:
        return _NOTES[key]
    if isinstance(value, dict):
        kind = "expr_str" if key == "range_constraints" else "name"  # sizes may follow from others: 2*s0
        return {_text(name, kind): _checked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_checked(inner, key) for inner in value]
    if key == "use_pickle" and value is not False:
        _refuse("a pickled tensor")
    return _text(value, key) if isinstance(value, str) else value


def _text(text: str, key: str) -> str:
    """The text itself, where it cannot be more than what `key` says it is."""
    allowed: object
    if key in ("target", "as_operator"):
        allowed = _OPERATOR.fullmatch(text) or _ARITHMETIC.fullmatch(text)
    elif key == "expr_str":
        allowed = _is_size(text)
    elif key in ("in_spec", "out_spec"):
        allowed = _is_tree(text)
    elif key == "path_name":
        allowed = re.fullmatch(r"(weight|tensor)_\d+", text)
    else:
        allowed = (_WORDS if key in ("as_string", "as_strings") else _TEXT).fullmatch(text)
    if not allowed:
        _refuse(f"{key} {text[:60]!r}")
    return text


def _is_size(text: str) -> bool:
    """Is it arithmetic on symbols that sympy is done with at once? It may make nothing that grows without end."""
    if len(text) > _LONGEST_SIZE or len(_COMPARING.findall(text)) > _MOST_COMPARING:
        return False
    try:
        return _is_term(ast.parse(text.strip(), mode="eval").body, powers=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def _is_term(node: ast.expr, *, powers: bool) -> bool:
    """Is it a number, a symbol or a sum of such? Powers have one digit, and none in them."""
    if isinstance(node, ast.Constant):
        return type(node.value) is int and node.value < _LARGEST_SIZE
    if isinstance(node, ast.Name):
        return _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _is_term(node.operand, powers=powers)
    if isinstance(node, ast.BinOp):
        simple = isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
        return simple and _is_term(node.left, powers=powers) and _is_term(node.right, powers=powers)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    if node.func.id == "Symbol":
        return _is_symbol(node)
    if node.func.id not in _FUNCTIONS or node.keywords:
        return False
    if _COMPARING.search(node.func.id) and len(node.args) > _MOST_COMPARED:
        return False
    if node.func.id == "Pow":
        return (
            powers
            and len(node.args) == 2
            and _is_term(node.args[0], powers=False)
            and _is_digit(node.args[1])
        )
    return all(_is_term(argument, powers=powers) for argument in node.args)


def _is_symbol(call: ast.Call) -> bool:
    """Is it Symbol('s0')? Assumptions such as integer=True may follow."""
    names = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    named = len(call.args) == len(names) == 1 and isinstance(names[0], str) and _SYMBOL.fullmatch(names[0])
    return bool(named) and all(
        keyword.arg in _ASSUMPTIONS
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )


def _is_digit(node: ast.expr) -> bool:
    """Is it a whole number of one digit? It may be negative, and wrapped by sympy."""
    return re.fullmatch(r"(Integer\()?-?\d\)?", ast.unparse(node)) is not None


def _is_tree(text: str) -> bool:
    """Is it a structure of tuples, lists and dicts only? Other types are looked up by name."""
    if not text:
        return True
    _, schema = json.loads(text)
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if node["type"] not in _TREE_TYPES or not _CONTEXT.fullmatch(node["context"] or ""):
            return False
        waiting += node["children_spec"]
    return True


def _refuse(what: str) -> NoReturn:
    raise ModelError(
        f"it holds {what}, which could run code when it is loaded; load it where you trust it and pass the"
        " exported program itself"
    )
