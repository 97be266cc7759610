"""The examples run as their users run them: the script as a command, the notebook in a kernel of its own.

The script trains fully once, for its promises: the score, the size, better than the network that was set by hand.
Notebook and script then train for two steps in the same folder, for the mechanics.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import zarr
from numpy.typing import NDArray

from czengine import Model, example, open_model, predict_array
from czengine.example.drawing import draw_nuclei
from scripts import make_example
from tests.support.frameworks import need, need_package
from tests.support.results import validate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOK = EXAMPLES / "train_nuclei.ipynb"
STEPS = "steps = 100"  # in the notebook


def run_script(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `python examples/train_nuclei.py` says, run in a folder."""
    command = [sys.executable, str(EXAMPLES / "train_nuclei.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def overlap(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def pieces(mask: NDArray[np.bool_]) -> int:
    """Number of connected parts: every pixel takes the largest number around it, until nothing changes."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    before = np.zeros_like(numbers)
    while (numbers != before).any():
        before, wide = numbers, np.pad(numbers, 1)
        around = [wide[1:-1, 1:-1], wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
        numbers = np.max(around, axis=0) * mask
    return len(np.unique(numbers[mask]))


# The script, trained as it is by default ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the script makes, and what it prints."""
    need("keras")
    folder = tmp_path_factory.mktemp("script")
    done = run_script(folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "nuclei", done.stdout


@pytest.fixture(scope="module")
def model(trained: tuple[Path, str]) -> Model:
    return open_model(trained[0] / "nuclei.czann")


def test_the_score_holds_and_is_the_true_one(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    found = re.search(r"^IoU: +(0\.\d{3})$", printed, re.MULTILINE)
    assert found is not None, printed
    labels = np.asarray(zarr.open_array(folder / "nuclei.ome.zarr" / "labels" / "Nuclei" / "0", mode="r"))
    _, truth = draw_nuclei(1024, 1024, nuclei=210, seed=1)
    score = overlap(labels.reshape(truth.shape) >= 2, truth > 0)
    assert found[1] == f"{score:.3f}"
    assert score >= 0.93


def test_the_archive_says_what_was_trained(model: Model, trained: tuple[Path, str]) -> None:
    spec = model.spec
    assert (trained[0] / "nuclei.czann").stat().st_size < 300_000
    assert [each.name for each in spec.classes] == ["Background", "Nucleus", "Nucleus border"]
    assert (spec.name, spec.format, spec.tile, spec.channels) == ("Nuclei", "czann", (256, 256), 1)
    assert spec.pixel_size == pytest.approx((0.325e-6, 0.325e-6))
    assert spec.scale_inputs
    assert spec.warnings == ()


def test_what_was_written_is_valid(trained: tuple[Path, str]) -> None:
    image = trained[0] / "nuclei.ome.zarr"
    validate(image, image / "labels" / "Nuclei")


def test_the_border_covers_what_the_network_looks_at(model: Model) -> None:
    """One pixel is changed, at every place of the coarsest pixels: how far away does the result change?"""
    session = onnxruntime.InferenceSession(model.network, providers=["CPUExecutionProvider"])
    flat = np.random.RandomState(0).uniform(0, 0.1, (1, 256, 256, 1)).astype(np.float32)
    name, reach = session.get_inputs()[0].name, 0
    (before,) = session.run(None, {name: flat})
    for place in range(126, 130):
        spot = flat.copy()
        spot[0, place, place] = 10.0
        (after,) = session.run(None, {name: spot})
        reach = max(
            reach, *(int(abs(at - place).max()) for at in np.nonzero((before != after)[0].any(axis=-1)))
        )
    assert reach == 23  # as the comment in the script says
    assert min(model.spec.border) >= reach


def test_it_is_better_than_the_network_set_by_hand(model: Model) -> None:
    image, truth = make_example.draw_nuclei()
    trained, by_hand = (predict_array(each, image) for each in (model, open_model(example.model_path())))
    assert overlap(trained > 1, truth) > overlap(by_hand > 1, truth) + 0.02
    assert abs(pieces(trained == 2) - make_example.NUCLEI) <= 2  # crumbs, or nuclei that flow together
    assert pieces(by_hand == 2) == make_example.NUCLEI


# The notebook, and the script after it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The notebook after a run with two steps of training, and the folder it made."""
    need("keras")
    need_package("ipykernel")
    nbclient, nbformat = need_package("nbclient"), need_package("nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(EXAMPLES / "train_nuclei.py", folder)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.count(STEPS) == 1
    notebook = nbformat.reads(text.replace(STEPS, "steps = 2"), as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return folder / "nuclei", notebook


def outputs(notebook: Any, kind: str) -> list[str]:
    """What the cells of a notebook gave, of one media type; "text" is what they printed."""
    given = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    if kind == "text":
        return [output["text"] for output in given if output.get("name") == "stdout"]
    return [output["data"][kind] for output in given if kind in output.get("data", {})]


def test_the_notebook_shows_pictures_and_a_score(executed: tuple[Path, Any]) -> None:
    folder, notebook = executed
    assert len(outputs(notebook, "image/png")) == 2
    printed = outputs(notebook, "text")
    assert re.search(r"IoU \d\.\d{3}", printed[-1])
    assert any("Nucleus border" in text for text in printed)
    assert {"nuclei.czann", "nuclei.ome.zarr", "nuclei.png"} <= {path.name for path in folder.iterdir()}


def test_the_script_makes_the_same_archive_over_it(executed: tuple[Path, Any]) -> None:
    """Training is reproducible, and a second run into the same folder replaces the first."""
    folder, _ = executed
    by_notebook = (folder / "nuclei.czann").read_bytes()
    (folder / "nuclei.ome.zarr" / "stale").touch()
    done = run_script("--out", str(folder), "--steps", "2", folder=folder.parent)
    assert done.returncode == 0, done.stderr
    assert (folder / "nuclei.czann").read_bytes() == by_notebook
    assert not (folder / "nuclei.ome.zarr" / "stale").exists()


def test_the_notebook_is_committed_clean() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"] is not None] == []
    assert not any("def " in "".join(cell["source"]) for cell in cells)  # code is in train_nuclei.py


def test_no_steps_are_refused(tmp_path: Path) -> None:
    need("keras")
    done = run_script("--steps", "0", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("error: --steps is 0; at least 1 is needed\n")
    assert list(tmp_path.iterdir()) == []
