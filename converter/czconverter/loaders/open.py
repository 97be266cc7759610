"""Tells what a source is, and has the right module load it.

Files are told by what is in them, not by their extension (but for JSON, which is text); objects by the package their
class comes from, so that no framework is imported to find out that it is not needed. Only this module knows the signs.
Archives and JSON specs bring metadata too: they are `sources`' business.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

from czconverter.loaders.base import Network
from czconverter.options import ConvertOptions
from czengine.errors import ModelError, OptionError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = b"\x80"
Kind = Literal["archive", "json", "keras", "onnx", "saved_model", "torch"]


def open_network(source: Any, *, options: ConvertOptions) -> Network:
    """Load a network from a path, or from a model of a framework in memory.

    Raises
    ------
    ModelError
        Where the file holds no network that can be converted.
    OptionError
        Where the object is of no kind that is known.
    MissingExtra
        Where its framework is not installed.
    """
    network = _loaded(source, options)
    if options.layout is not None and network.opset is None:
        raise OptionError(f"--layout is {options.layout}, which is for ONNX models only; leave it out")
    return network


def _loaded(source: Any, options: ConvertOptions) -> Network:
    if isinstance(source, str | Path):
        return _from_path(Path(source), options)
    packages = {c.__module__.partition(".")[0] for c in type(source).__mro__}
    if packages & {"keras", "tf_keras"}:
        from czconverter.loaders.keras import from_keras

        return from_keras(source)
    if "torch" in packages:
        return _from_torch(source, options)
    if type(source).__name__ == "ModelProto":
        from czconverter.loaders.onnx import load_onnx

        return load_onnx(source, layout=options.layout, channels=options.channels)
    raise OptionError(
        f"a {type(source).__module__}.{type(source).__name__} cannot be converted; give a Keras model, a PyTorch module"
        " or exported program, an onnx.ModelProto, or the path of a model"
    )


def kind_of(path: Path) -> Kind:
    """What a path leads to, by its content.

    Raises
    ------
    ModelError
        Where there is nothing, or nothing that can be read.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise ModelError(
            f"{path} is a folder without saved_model.pb, so no SavedModel; name the model's own folder or file"
        )
    if not path.exists():
        raise ModelError(f"{path} does not exist; check the path of the model")
    if not path.is_file():
        raise ModelError(f"{path} is not a regular file; copy the model to a disk first")
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if not start:
        raise ModelError(f"{path} is empty; export the model again")
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    if start == _HDF5:
        return "keras"
    if path.suffix.lower() == ".json":
        return "json"
    return "torch" if start.startswith(_PICKLE) else "onnx"


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.replace("\\", "/") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ModelError(f"{path} is a damaged zip, probably cut short; copy or export it again") from error
    if {"metadata.json", "config.json"} <= names:
        return "keras"
    root = {name for name in names if "/" not in name}
    is_archive = any(name == "model.json" or name.endswith((".model", ".xml")) for name in root)
    return "archive" if is_archive else "torch"


def _from_path(path: Path, options: ConvertOptions) -> Network:
    kind = kind_of(path)
    if kind == "saved_model":
        from czconverter.loaders.saved_model import load_saved_model

        return load_saved_model(path, trust=options.trust)
    if kind == "keras":
        from czconverter.loaders.keras_files import load_keras_file

        return load_keras_file(path, trust=options.trust)
    if kind == "torch":
        from czconverter.loaders.torch import load_torch_file

        return load_torch_file(path, channels=options.channels, size=options.tile or (None, None))
    from czconverter.loaders.onnx import load_onnx

    return load_onnx(path, layout=options.layout, channels=options.channels)


def _from_torch(source: Any, options: ConvertOptions) -> Network:
    from czconverter.loaders import torch

    if type(source).__name__ == "ExportedProgram":
        return torch.from_exported(source)
    return torch.from_module(source, channels=options.channels, size=options.tile or (None, None))
