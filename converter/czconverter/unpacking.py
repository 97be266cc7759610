"""Takes an archive apart: the network, its metadata, a JSON spec to convert it again, and the licence, as files.

Names inside an archive are hostile input. Only this module knows what the files are called.

    network.onnx | saved_model/     the network
    metadata.json                   everything the engine knows, as `czengine inspect --json` prints it
    model_spec.json                 what `json_spec` reads
    LICENSE.txt                     under its own name
"""

from __future__ import annotations

import json
from pathlib import Path

from czconverter.json_spec import czann_spec, legacy_spec
from czconverter.package.contents import licence_inside
from czconverter.package.member_names import check_names
from czconverter.package.staging import staged_folder
from czengine.archive import read_members
from czengine.describe import describe_model
from czengine.model import Model, read_model
from czengine.spec import ModelSpec, Runtime

NETWORK, SAVED_MODEL = "network.onnx", "saved_model"
METADATA, SPEC = "metadata.json", "model_spec.json"


def unpack(archive: Path, folder: Path) -> tuple[Path, ...]:
    """Write what is in an archive into a new folder.

    Parameters
    ----------
    archive : Path
        `.czmodel`, `.czseg` or `.czann`.
    folder : Path
        A place where nothing is, or an empty folder. All files appear at once, or none.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    ArchiveError, ModelError, PlanError
        Where the archive cannot be opened safely, or holds no model the engine knows.
    OutputError
        Where the folder is taken or cannot be written.
    """
    archive = Path(archive)
    return write_parts(archive, read_model(archive), Path(folder))


def write_parts(archive: Path, model: Model, folder: Path) -> tuple[Path, ...]:
    """The same for an archive that was read already, as `model`."""
    licence = licence_inside(archive, model.spec)
    files = {
        **_network(archive, model),
        METADATA: _json(describe_model(model.spec)),
        SPEC: _json(_spec(model.spec)),
    }
    named = [*files, *([licence[0]] if licence else [])]
    check_names(named, what=str(archive))
    with staged_folder(folder) as place:
        for name, data in [*files.items(), *([licence] if licence else [])]:
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return tuple(folder / name for name in named)


def _network(archive: Path, model: Model) -> dict[str, bytes]:
    if model.spec.runtime is Runtime.ONNX:
        return {NETWORK: model.network}
    inside = read_members(model.network, what=f"{archive}: the network inside")
    return {f"{SAVED_MODEL}/{name}": data for name, data in inside.items()}


def _spec(spec: ModelSpec) -> dict[str, object]:
    """In the form for archives that feed their networks alike: raw counts, or 0 to 1."""
    model = NETWORK if spec.runtime is Runtime.ONNX else SAVED_MODEL
    return czann_spec(spec, model=model) if spec.scale_inputs else legacy_spec(spec, model=model)


def _json(values: object) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode("ascii")
