"""PyTorch files that try to run code: each leaves a marker when it does, and none is left."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import frameworks
from czconverter.loaders.pt2 import load_pt2
from czconverter.loaders.torch import load_torch_file
from czengine.errors import ModelError
from tests.support.frameworks import need
from tests.support.torch_models import exported, layers

Json = Any


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._marker,)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = need("torch")
    path = tmp_path_factory.mktemp("pt2") / "network.pt2"
    torch.export.save(exported(layers(), 2, 3, 8, 8), path)
    return path


def _changed(
    saved: Path,
    target: Path,
    *,
    replace: dict[str, bytes] | None = None,
    edit: Callable[[Json], None] | None = None,
) -> Path:
    """A copy with other members in it, and its graph edited."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(target, "w") as out:
        root = source.namelist()[0].partition("/")[0]
        members = {name.partition("/")[2]: source.read(name) for name in source.namelist()}
        if edit is not None:
            graph = json.loads(members["models/model.json"])
            edit(graph)
            members["models/model.json"] = json.dumps(graph).encode()
        for name, content in {**members, **(replace or {})}.items():
            out.writestr(f"{root}/{name}", content)
    return target


def test_a_pickle_in_a_pt_file_does_not_run(tmp_path: Path) -> None:
    torch = need("torch")
    marker, path = tmp_path / "ran", tmp_path / "a.pt"
    for content in (Evil(marker), {"weight": Evil(marker)}):
        torch.save(content, path)
        with pytest.raises(ModelError, match=r"it needs (posix|nt)\.mkdir, which is no layer of torch.nn"):
            load_torch_file(path)
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ModelError, match=r"a.pt: it (needs|is no)"):
            load_torch_file(path)
    assert not marker.exists()


def test_a_pickle_among_the_example_inputs_does_not_run(saved: Path, tmp_path: Path) -> None:
    torch = need("torch")
    marker, evil = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save(((Evil(marker),), {}), evil)
    path = _changed(saved, tmp_path / "a.pt2", replace={"data/sample_inputs/model.pt": evil.read_bytes()})
    assert load_torch_file(path).run(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 8, 8, 2)
    assert not marker.exists()
    with frameworks.quiet(), contextlib.suppress(Exception):
        torch.export.load(path)  # the attack is one: torch's own loader falls for it
    assert marker.exists()


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_pickled_tensors_are_refused(saved: Path, tmp_path: Path, kind: str) -> None:
    torch = need("torch")
    marker, evil = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save(Evil(marker), evil)
    name = "weight_0" if kind == "weights" else "tensor_0"
    config = {"config": {"x": {"path_name": name, "is_param": True, "use_pickle": True, "tensor_meta": None}}}
    members = {
        f"data/{kind}/{name}": evil.read_bytes(),
        f"data/{kind}/model_{kind}_config.json": json.dumps(config).encode(),
    }
    with pytest.raises(ModelError, match="it holds a pickled tensor, which could run code"):
        load_pt2(_changed(saved, tmp_path / "a.pt2", replace=members))
    assert not marker.exists()


@pytest.mark.parametrize("prefix", ["custom_obj", "opaque_obj"])
def test_pickled_objects_are_refused(saved: Path, tmp_path: Path, prefix: str) -> None:
    marker = tmp_path / "ran"
    config = {"config": {"x": {"path_name": f"{prefix}_0", "is_param": False, "use_pickle": False}}}
    members = {
        f"data/constants/{prefix}_0": pickle.dumps(Evil(marker)),
        "data/constants/model_constants_config.json": json.dumps(config).encode(),
    }
    with pytest.raises(ModelError, match=f"it holds path_name '{prefix}_0'"):
        load_pt2(_changed(saved, tmp_path / "a.pt2", replace=members))
    assert not marker.exists()


@pytest.mark.parametrize("member", ["data/weights/model.pt", "data/constants/model.pt"])
def test_pickles_of_the_older_form_are_left_out(saved: Path, tmp_path: Path, member: str) -> None:
    marker = tmp_path / "ran"
    path = _changed(saved, tmp_path / "a.pt2", replace={member: pickle.dumps({"x": Evil(marker)})})
    assert load_pt2(path) is not None
    assert not marker.exists()


def test_exported_programs_of_older_versions_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as file:
        file.writestr("version", "8.5")
        file.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(ModelError, match=r"a.pt2: an older PyTorch saved it with pickled weights"):
        load_torch_file(tmp_path / "a.pt2")


def test_compiled_libraries_are_left_out(saved: Path, tmp_path: Path) -> None:
    path = _changed(saved, tmp_path / "a.pt2", replace={"data/aotinductor/model/model.so": b"\x7fELF"})
    assert load_pt2(path) is not None


def _nodes(graph: Json) -> Json:
    return graph["graph_module"]["graph"]["nodes"]


def _call(graph: Json, target: str) -> None:
    _nodes(graph)[0]["target"] = target


def _size(graph: Json, text: str) -> None:
    value = {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}}
    graph["graph_module"]["graph"]["tensor_values"]["x"] = {"sizes": [value]}


def _tree(graph: Json, node: Json) -> None:
    signature = graph["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = json.dumps([1, node])


def _argument(graph: Json, text: str) -> None:
    _nodes(graph)[0]["inputs"][0]["arg"] = {"as_string": text}


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s0', integer=True, positive=True)",
        "2*s0 - 1",
        "Add(Mul(Integer(-2), Symbol('u3')), Pow(Symbol('s0', integer=True), Integer(2)))",
        "FloorDiv(Max(s0, 1), Pow(s1, -1))",
        "999999999999",
    ],
)
def test_sizes_as_torch_writes_them(saved: Path, tmp_path: Path, text: str) -> None:
    path = _changed(saved, tmp_path / "a.pt2", edit=lambda graph: _size(graph, text))
    said = ""
    try:
        load_pt2(path)
    except ModelError as error:  # the graph has no such symbols; what counts is that torch was asked
        said = str(error)
    assert "could run code" not in said


_LEAF = {"type": None, "context": None, "children_spec": []}
_ENUM = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "x"})
_EDITS: dict[str, Callable[[Json], None]] = {
    "functions of torch": lambda g: _call(g, "torch.os.system"),
    "loading": lambda g: _call(g, "torch.load"),
    "mapped files": lambda g: _call(g, "torch.ops.aten.from_file.default"),
    "methods": lambda g: _call(g, "_operator.methodcaller"),
    "extensions": lambda g: _call(g, "#anything:x"),
    "operators as arguments": lambda g: _nodes(g)[0]["inputs"][0].update(
        arg={"as_operator": "torch.os.system"}
    ),
    "sizes that are code": lambda g: _size(g, "__import__('os').mkdir('ran')"),
    "sizes with attributes": lambda g: _size(g, "s0.__class__"),
    "sizes with other texts": lambda g: _size(g, "Symbol('x) or print(1')"),
    "sizes beyond all limits": lambda g: _size(g, "9**9**9**9"),
    "powers": lambda g: _size(g, "s0**2"),
    "powers in powers": lambda g: _size(g, "Pow(Integer(9), Pow(Integer(9), Integer(9)))"),
    "powers of powers": lambda g: _size(g, "Pow(Add(Pow(Integer(9), Integer(9)), Integer(1)), Integer(9))"),
    "large powers": lambda g: _size(g, "Pow(Integer(9), Integer(10))"),
    "large numbers": lambda g: _size(g, "Integer(1000000000000)"),
    "slow sizes": lambda g: _size(g, f"Max({','.join(f's{i}' for i in range(40))})"),
    "slow sizes in each other": lambda g: _size(g, "Max(s1," * 13 + "s0" + ")" * 13),
    "long sizes": lambda g: _size(g, "+".join(["1"] * 10_000)),
    "deep sizes": lambda g: _size(g, "(" * 4000 + "1" + ")" * 4000),
    "numbers that are none": lambda g: _size(g, "Integer(1e400)"),
    "unknown assumptions": lambda g: _size(g, "Symbol('s0', cls=True)"),
    "classes of a tree": lambda g: _tree(g, {"type": "os.system", "context": "[]", "children_spec": []}),
    "modules of a tree": lambda g: _tree(
        g, {"type": "builtins.dict", "context": _ENUM, "children_spec": [_LEAF]}
    ),
    "factories of a tree": lambda g: _tree(
        g, {"type": "collections.defaultdict", "context": "[]", "children_spec": [_LEAF]}
    ),
    "names that are code": lambda g: _nodes(g)[0].update(name="x = print(1)\n"),
    "keys that are code": lambda g: g["range_constraints"].update({"print(1)": {"min_val": 0, "max_val": 1}}),
    "texts that are code": lambda g: _argument(g, "print('x')"),
}


@pytest.mark.parametrize("name", list(_EDITS))
def test_texts_that_could_become_code_are_refused(saved: Path, tmp_path: Path, name: str) -> None:
    path = _changed(saved, tmp_path / "a.pt2", edit=_EDITS[name])
    with pytest.raises(
        ModelError, match=r"which could run code when it is loaded; load it where you trust it"
    ):
        load_pt2(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'{"graph_module"', b'{graph_module"', 1),
    ],
)
def test_damaged_files(saved: Path, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.pt2"
    path.write_bytes(change(saved.read_bytes()))
    with pytest.raises(ModelError, match=r"it is damaged \("):
        load_pt2(path)


def test_a_file_that_torch_does_not_read(saved: Path, tmp_path: Path) -> None:
    path = _changed(saved, tmp_path / "a.pt2", replace={"archive_version": b"99"})
    with pytest.raises(ModelError, match=r"it cannot be read by torch .*: .*99.*; save it again"):
        load_pt2(path)
