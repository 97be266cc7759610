"""Models that Keras saved: `.keras` and HDF5, of Keras 3 and of Keras 2, each loaded by the Keras that understands it.

A file is hostile until it is trusted: its config and its weights are searched before Keras sees them, with
`keras_safety` and `hdf5_links`. Only this module knows where the two formats keep their version and their config.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czconverter import frameworks
from czconverter.loaders.hdf5_links import outside
from czconverter.loaders.keras import from_keras
from czconverter.loaders.keras_safety import suspects
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czconverter.reasons import reason
from czengine.archive import read_member, read_members
from czengine.errors import ModelError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_VERSION = re.compile(r"[0-9]{1,3}(\.|$)")
_DAMAGED = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
)  # what h5py raises for files it cannot read
_SUFFIXES = {".keras": (".keras",), ".h5": (".h5", ".hdf5")}


@dataclass(frozen=True, kw_only=True)
class _Saved:
    """What a file says about itself: its own suffix, the Keras that wrote it, its config."""

    suffix: str
    version: str
    config: Any

    @property
    def package(self) -> str:
        return "keras" if int(self.version.partition(".")[0]) >= 3 else "tf_keras"


def load_keras_file(path: Path, *, trust: bool) -> TensorFlowNetwork:
    """The network of a `.keras` or HDF5 file, told by its content.

    Parameters
    ----------
    trust : bool
        Load it even if that runs code which the file brings or names.

    Raises
    ------
    ModelError
        Where it is no Keras file, is damaged, holds weights only, needs classes that are not there, or holds code
        and is not trusted.
    ArchiveError
        Where it is a damaged zip, or one beyond all limits.
    MissingExtra
        Where its Keras is not installed.
    """
    path = Path(path)
    saved = _read(path)
    package = frameworks.load(saved.package)
    if not trust:
        _check_safety(path, saved)
    with _with_suffix(path, saved.suffix) as file:
        try:
            with frameworks.quiet():
                model = package.models.load_model(str(file), compile=False, safe_mode=not trust)
        except (
            Exception
        ) as error:  # Keras raises anything for a class it does not know or a file it cannot read
            raise ModelError(
                f"{path} cannot be loaded by {saved.package}: {reason(error)}; if it needs classes of yours, load it in"
                " Python and give the model to czconverter.convert"
            ) from error
    return from_keras(model, kind="file")


def _read(path: Path) -> _Saved:
    if not path.is_file():
        raise ModelError(f"{path} does not exist or is no file; check the path of the model")
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if start == _HDF5:
        return _checked(path, *_read_hdf5(path), suffix=".h5")
    if start.startswith(b"PK"):
        return _checked(path, *_read_zip(path), suffix=".keras")
    raise ModelError(
        f"{path} is no Keras file: neither a .keras nor an HDF5 file; save the model with model.save"
    )


def _read_zip(path: Path) -> tuple[Any, Any]:
    """Version and config of a `.keras` file."""
    data = path.read_bytes()
    members = [read_member(data, name, what=str(path)) for name in ("metadata.json", "config.json")]
    if None in members:
        raise ModelError(f"{path} is a zip, but no Keras file: it has no metadata.json and config.json")
    metadata, config = (_json(path, member) for member in members)
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}  # not loaded
    return version, config


def _read_hdf5(path: Path) -> tuple[Any, Any]:
    """Version and config of an HDF5 file; files without a version are older than Keras 2.0."""
    h5py = frameworks.load("h5py")
    try:
        with h5py.File(path, "r") as file:
            found = {name: file.attrs.get(name) for name in ("keras_version", "model_config")}
            weights = (
                "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file
            )
    except _DAMAGED as error:
        raise ModelError(
            f"{path} is a damaged HDF5 file, probably cut short; copy or save it again"
        ) from error
    if found["model_config"] is None:
        held = "holds weights only" if weights else "holds no Keras model"
        raise ModelError(f"{path} {held}; save the whole model with model.save")
    return _plain(found["keras_version"]), _json(path, found["model_config"])


def _plain(version: Any) -> Any:
    """A version that may be missing, or bytes, as a text."""
    if version is None:
        return "2"
    return version.decode("ascii", "replace") if isinstance(version, bytes) else version


def _json(path: Path, text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} has a damaged description of its model; save it again") from error


def _checked(path: Path, version: Any, config: Any, *, suffix: str) -> _Saved:
    if not isinstance(version, str) or not _VERSION.match(version) or not isinstance(config, dict):
        raise ModelError(f"{path} does not say which Keras saved it; save it again with model.save")
    return _Saved(suffix=suffix, version=version, config=config)


def _check_safety(path: Path, saved: _Saved) -> None:
    for name, why in suspects(saved.config, saved.package):
        raise ModelError(
            f"{path} can run code when it is loaded: {name!r} {why}; give --trust if you know who made the file"
        )
    for source in _weights(path, saved.suffix):
        _check_links(path, source)


def _weights(path: Path, suffix: str) -> Iterable[Path | io.BytesIO]:
    """All HDF5 files in a file."""
    if suffix == ".h5":
        return [path]
    members = read_members(path.read_bytes(), what=str(path))
    return [io.BytesIO(data) for name, data in members.items() if name.endswith(".h5")]


def _check_links(path: Path, source: Path | io.BytesIO) -> None:
    h5py = frameworks.load("h5py")
    try:
        with h5py.File(source, "r") as file:
            found = next(outside(file), None)
    except _DAMAGED as error:
        raise ModelError(f"{path} holds damaged weights; copy or save it again") from error
    if found is not None:
        raise ModelError(
            f"{path} reads further files when it is loaded: its weights {found!r} lie outside of it; give --trust if"
            " you know who made the file"
        )


@contextmanager
def _with_suffix(path: Path, suffix: str) -> Iterator[Path]:
    """The file under a name from which Keras tells what is in it."""
    if path.suffix in _SUFFIXES[suffix]:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / f"model{suffix}"))
