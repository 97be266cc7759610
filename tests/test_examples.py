"""The examples run as their users run them: the script as a command, the notebook in a kernel of its own.

The script trains here as shortly as its promises allow; how good the whole training is, the bundled example shows
(`tests/engine/test_example.py`), which was made by it. The notebook trains for two steps, for the mechanics.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from czengine import Model, example, open_model
from czengine.example.drawing import draw_nuclei
from tests.support.frameworks import need, need_package
from tests.support.nuclei import overlap, reach
from tests.support.results import validate

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "train_nuclei.py"
NOTEBOOK = ROOT / "examples" / "train_nuclei.ipynb"
STEPS = "steps = 100"  # in the notebook


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What Python says, run in a folder."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def members(archive: Path) -> tuple[dict[str, Any], bytes]:
    """Metadata but for the id, and the network."""
    with zipfile.ZipFile(archive) as opened:
        said = json.loads(opened.read("model.json"))
        return {key: value for key, value in said.items() if key != "Id"}, opened.read("model.model")


# The script, with a training of 25 steps -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the script fills, where an earlier run left something, and what it prints."""
    need("keras")
    folder = tmp_path_factory.mktemp("script") / "nuclei"
    (folder / "nuclei.ome.zarr").mkdir(parents=True)
    (folder / "nuclei.ome.zarr" / "stale").touch()
    (folder / "nuclei.czann").touch()
    done = run(SCRIPT, "--steps", "25", folder=folder.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not even from TensorFlow
    return folder, done.stdout


@pytest.fixture(scope="module")
def model(trained: tuple[Path, str]) -> Model:
    return open_model(trained[0] / "nuclei.czann")


def test_the_score_holds_and_is_the_true_one(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    found = re.search(r"^IoU: +(0\.\d{3})$", printed, re.MULTILINE)
    assert found is not None, printed
    labels = np.asarray(zarr.open_array(folder / "nuclei.ome.zarr" / "labels" / "Nuclei" / "0", mode="r"))
    _, truth = draw_nuclei(768, 768, nuclei=120, seed=1)
    score = overlap(labels.reshape(truth.shape) >= 2, truth > 0)
    assert found[1] == f"{score:.3f}"
    assert score >= 0.85


def test_the_archive_says_what_was_trained(model: Model, trained: tuple[Path, str]) -> None:
    spec = model.spec
    assert (trained[0] / "nuclei.czann").stat().st_size < 300_000
    assert [each.name for each in spec.classes] == ["Background", "Nucleus", "Nucleus border"]
    assert (spec.name, spec.format, spec.tile, spec.channels) == ("Nuclei", "czann", (256, 256), 1)
    assert spec.pixel_size == pytest.approx((0.325e-6, 0.325e-6))
    assert spec.scale_inputs
    assert spec.warnings == ()


def test_what_was_written_is_valid_and_replaces_an_earlier_run(trained: tuple[Path, str]) -> None:
    image = trained[0] / "nuclei.ome.zarr"
    validate(image, image / "labels" / "Nuclei")
    assert not (image / "stale").exists()


def test_the_border_covers_what_the_network_looks_at(model: Model) -> None:
    assert reach(model.network) == 23 <= min(model.spec.border)  # as the comment in the script says


def test_the_bundled_model_is_one_of_these(model: Model, trained: tuple[Path, str]) -> None:
    """The committed archive was made by the script as it is: all but weights and id is the same."""
    assert members(example.model_path())[0] == members(trained[0] / "nuclei.czann")[0]
    assert example.model_path().stat().st_size == pytest.approx(len(model.network), rel=0.1)
    assert reach(open_model(example.model_path()).network) == reach(model.network)


# The notebook, and the script that makes the bundled example after it ------------------------------------------


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The notebook after a run with two steps of training, and the folder it made."""
    need("keras")
    need_package("ipykernel")
    nbclient, nbformat = need_package("nbclient"), need_package("nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(SCRIPT, folder)
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


def test_training_again_makes_the_same_network(executed: tuple[Path, Any], tmp_path: Path) -> None:
    """The script of the bundled example trains as the notebook does; the id is its own."""
    done = run("-m", "scripts.make_example", "--steps", "2", tmp_path, folder=ROOT)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "nuclei.czann"
    assert members(again) == members(executed[0] / "nuclei.czann")
    assert open_model(again).spec.id == open_model(example.model_path()).spec.id
    assert (tmp_path / "nuclei.ome.zarr" / "zarr.json").is_file()


def test_the_notebook_is_committed_clean() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"] is not None] == []
    assert not any("def " in "".join(cell["source"]) for cell in cells)  # code is in train_nuclei.py


def test_no_steps_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need("keras")
    from examples import train_nuclei

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_nuclei.py", "--steps", "0"])
    with pytest.raises(SystemExit, match="2"):
        train_nuclei.main()
    assert capsys.readouterr().err.endswith("error: --steps is 0; at least 1 is needed\n")
    assert list(tmp_path.iterdir()) == []
