"""PyTorch modules and exported programs: run in PyTorch, written by its ONNX exporters, channels-last outside.

A module is worked on as a copy, on the CPU and in evaluation mode; the user's own stays as it is. Files are read
without running code in them. Only this module knows which of PyTorch's exporters writes which opset.
"""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czconverter import frameworks
from czconverter.graphs.dims import set_size
from czconverter.loaders.base import Size
from czconverter.loaders.finishing import check_steps, finished
from czconverter.loaders.pt2 import load_pt2
from czconverter.reasons import reason
from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

_OLDEST_DYNAMO = 17  # asked for less, the exporter writes 18 without a word
_EXAMPLES = 2  # a batch of one would be taken for a constant


def from_module(module: Any, *, channels: int | None = None, size: Size = (None, None)) -> TorchNetwork:
    """A `torch.nn.Module` that takes (batch, channel, y, x) and gives (batch, class, y, x).

    Parameters
    ----------
    channels : int or None
        Channels it takes; None until `sized` says.
    size : (height, width)
        Pixels to export it for; None until `sized` says.

    Raises
    ------
    ModelError
        Where it cannot be copied, or is a TorchScript module.
    """
    torch = frameworks.load("torch")
    if isinstance(module, torch.jit.ScriptModule):
        raise _script("the module")
    try:
        own = copy.deepcopy(module).cpu().float().eval()
    except Exception as error:  # a module's own __deepcopy__ may raise anything
        raise ModelError(
            f"the module cannot be copied ({reason(error)}); pass torch.export.export(module, ...)"
        ) from error
    return TorchNetwork(kind="PyTorch module", module=own, channels=channels, size=size)


def from_exported(program: Any) -> TorchNetwork:
    """A `torch.export.ExportedProgram` that takes (batch, channel, y, x) and gives (batch, class, y, x).

    Raises
    ------
    ModelError
        Where it takes or gives anything else.
    """
    source = _only_input(program)
    shape = [dim if isinstance(dim, int) else None for dim in source.shape]
    if len(shape) != 4:
        raise ModelError(
            f"the exported program takes {len(shape)} axes; a picture is needed: batch, channel, height, width"
        )
    if shape[0] not in (None, 1):
        raise ModelError(
            f"the exported program takes {shape[0]} pictures at a time; export it with"
            " dynamic_shapes=({0: torch.export.Dim('batch')},)"
        )
    return TorchNetwork(
        kind="PyTorch exported program",
        module=program.module(),
        program=program,
        dtype=source.dtype,
        single=shape[0] == 1,
        channels=shape[1],
        size=(shape[2], shape[3]),
    )


def load_torch_file(path: Path, *, channels: int | None = None, size: Size = (None, None)) -> TorchNetwork:
    """The network of a `.pt2` file of `torch.export.save`, or a `.pt`/`.pth` file of a module of `torch.nn` layers.

    Raises
    ------
    ModelError
        Where loading it would run code, or it holds weights only.
    """
    try:
        members = _members(path)
        if any(re.fullmatch(r"[^/]+/models/\w+\.json", name) for name in members):
            return from_exported(load_pt2(path))
        if "serialized_exported_program.json" in members:
            raise ModelError(
                "an older PyTorch saved it with pickled weights, and loading those could run code; save it again with"
                " torch.export.save of torch 2.9 or newer"
            )
        if any("/code/" in name for name in members):
            raise _script("it")
        network = from_module(_unpickled(path), channels=channels, size=size)
    except ModelError as error:  # those below know the network, not the file
        raise ModelError(f"{path}: {error}") from error
    return replace(network, kind="PyTorch module file")


@dataclass(frozen=True, kw_only=True)
class TorchNetwork:
    """A PyTorch network as a `Network`.

    Attributes
    ----------
    module : torch.nn.Module
        What runs, on the CPU; channels-first.
    program : torch.export.ExportedProgram or None
        What is exported, where it was exported before.
    dtype : torch.dtype or None
        What it takes; None is float32.
    single : bool
        Whether it takes one picture at a time.
    """

    kind: str
    module: Any
    program: Any = None
    dtype: Any = None
    single: bool = False
    channels: int | None = None
    size: Size = (None, None)
    notes: tuple[str, ...] = ()

    @property
    def framework(self) -> str:
        """See `Network`."""
        return frameworks.versions("torch", "onnxscript")

    @property
    def opset(self) -> int | None:
        """None: the exporter chooses."""
        return None

    @property
    def counts(self) -> None:
        """See `Network`: it takes floats."""

    @property
    def needs_size(self) -> bool:
        """A module is always exported for one size."""
        return self.program is None or self.channels is None

    def sized(self, height: int, width: int, channels: int) -> TorchNetwork:
        """See `Network`; an exported program keeps the size it was exported for."""
        if self.channels not in (None, channels):
            raise ModelError(f"the network takes {self.channels} channels, not {channels}")
        wrong = any(old not in (None, new) for old, new in zip(self.size, (height, width), strict=True))
        if wrong and self.program is not None:
            raise ModelError(
                f"the program was exported for {self.size[0] or 'any'} × {self.size[1] or 'any'} pixels; export it for"
                f" {height} × {width}, or pass the module"
            )
        sized = replace(self, size=(height, width), channels=channels)
        sized.run(np.zeros((1, height, width, channels), np.float32))
        return sized

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`."""
        torch = frameworks.load("torch")
        pictures = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        try:
            with torch.inference_mode(), frameworks.quiet():
                parts = [self.module(part) for part in self._parts(pictures)]
        except Exception as error:  # a module may raise anything
            raise ModelError(
                f"the network does not run on {batch.shape[1]} × {batch.shape[2]} pixels with {batch.shape[3]}"
                f" channels: {reason(error)}"
            ) from error
        for part in parts:
            _check_result(part)
        scores = torch.cat(parts).permute(0, 2, 3, 1).float().cpu().numpy()
        return np.ascontiguousarray(scores)

    def to_onnx(self, opset: int, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> ModelProto:
        """See `Network`; a module needs its size by now."""
        check_steps((*before, *after))
        model = self._exported(opset)
        return finished(model, opset, layouts=("NCHW", "NCHW"), before=before, after=after)

    def to_saved_model(self, folder: Path, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        """Raise ModelError: there is no TensorFlow in it."""
        raise ModelError("a PyTorch network cannot become a SavedModel; keep ONNX inside the archive")

    def _parts(self, pictures: Any) -> Any:
        if self.dtype is not None:
            pictures = pictures.to(self.dtype)
        return pictures.split(1) if self.single else (pictures,)

    def _exported(self, opset: int) -> ModelProto:
        frameworks.load("onnxscript")
        try:
            with frameworks.quiet(), redirect_stdout(io.StringIO()):  # a failing exporter prints its graph
                return self._by_torch(opset)
        except ModelError:
            raise
        except Exception as error:  # the exporters raise dozens of classes
            raise ModelError(
                f"PyTorch cannot write the network as ONNX opset {opset}: {_export_reason(error)}; replace what it"
                " names, or export the network as ONNX yourself"
            ) from error

    def _by_torch(self, opset: int) -> ModelProto:
        if self.program is not None:
            return self._program_model(max(opset, _OLDEST_DYNAMO))
        height, width = self.size
        if height is None or width is None or self.channels is None:
            raise ModelError("a PyTorch module is exported for one size; give --spatial-dims HEIGHT WIDTH")
        torch = frameworks.load("torch")
        example = torch.zeros(_EXAMPLES, self.channels, height, width)
        if opset < _OLDEST_DYNAMO:
            return _by_script(torch, self.module, example, opset)
        return _by_dynamo(torch, self.module, example, opset)

    def _program_model(self, opset: int) -> ModelProto:
        torch = frameworks.load("torch")
        model: ModelProto = torch.onnx.export(
            self.program, (), dynamo=True, opset_version=opset, verbose=False
        ).model_proto
        height, width = self.size
        if height is None or width is None:
            return model
        return set_size(model, height, width, channels=self.channels, layout="NCHW", output_layout="NCHW")


def _by_dynamo(torch: Any, module: Any, example: Any, opset: int) -> ModelProto:
    batch = {0: torch.export.Dim("batch")}
    program = torch.onnx.export(
        module, (example,), dynamo=True, opset_version=opset, dynamic_shapes=(batch,), verbose=False
    )
    model: ModelProto = program.model_proto
    return model


def _by_script(torch: Any, module: Any, example: Any, opset: int) -> ModelProto:
    """By the older exporter, which alone knows the older opsets."""
    import onnx

    file = io.BytesIO()
    torch.onnx.export(
        module,
        (example,),
        file,
        dynamo=False,
        opset_version=opset,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        verbose=False,
    )
    model: ModelProto = onnx.ModelProto.FromString(file.getvalue())
    return model


def _only_input(program: Any) -> Any:
    """The example of the program's only input."""
    names = program.graph_signature.user_inputs
    outputs = program.graph_signature.user_outputs
    if len(names) != 1 or len(outputs) != 1:
        raise ModelError(
            f"the exported program has {len(names)} inputs and {len(outputs)} outputs; exactly one of each is supported"
        )
    node = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == names[0])
    return node.meta["val"]


def _check_result(result: Any) -> None:
    torch = frameworks.load("torch")
    if not isinstance(result, torch.Tensor):
        raise ModelError(
            f"the network gives a {type(result).__name__}, not one tensor; wrap it in a module that does"
        )
    if result.ndim != 4:
        raise ModelError(
            f"the network gives {result.ndim} axes; a picture for every picture is needed: batch, class, y, x"
        )


def _members(path: Path) -> list[str]:
    """Names in the zip; none where the file is a bare pickle, as PyTorch wrote before 1.6."""
    try:
        if not zipfile.is_zipfile(path):
            return []
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"it is damaged ({error}); copy or save it again") from error


def _unpickled(path: Path) -> Any:
    """The module in a `.pt` file, if tensors, plain values and layers of `torch.nn` are all it is made of."""
    torch = frameworks.load("torch")
    try:
        with frameworks.quiet(), torch.serialization.safe_globals(_layers(torch)):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # UnpicklingError, RuntimeError, OSError, EOFError ...
        raise _not_loaded(error) from error
    if isinstance(loaded, torch.nn.Module):
        return loaded
    what = "weights only" if isinstance(loaded, dict) else f"a {type(loaded).__name__}"
    raise ModelError(
        f"it holds {what}, not the network; load them into your module, and pass that or save it with torch.export.save"
    )


def _not_loaded(error: Exception) -> ModelError:
    needed = re.search(r"(?:GLOBAL|class|function) ([\w.]+\.\w+)", str(error))
    if needed is None and "eights only" not in str(error):
        return ModelError(f"it is no PyTorch file, or damaged ({reason(error)}); copy or save it again")
    what = (
        f"{needed[1]}, which is no layer of torch.nn,"
        if needed
        else "more than tensors and layers of torch.nn,"
    )
    return ModelError(
        f"it needs {what} and loading that could run code; save the network with torch.export.save where its code is"
    )


def _layers(torch: Any) -> list[type]:
    """Layers that PyTorch itself brings: building them runs no code but PyTorch's."""
    found = [value for value in vars(torch.nn).values() if isinstance(value, type)]
    return [
        c for c in found if issubclass(c, torch.nn.Module) and c.__module__.startswith("torch.nn.modules.")
    ]


def _script(what: str) -> ModelError:
    return ModelError(
        f"{what} is TorchScript, which the exporters do not read; export the original module with torch.export.save"
    )


def _export_reason(error: Exception) -> str:
    """The cause of an export error, which the exporter hides behind instructions how to report it."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    operators = sorted(set(re.findall(r"\b(?:aten|prims|torchvision)[:.]+\w+", str(error))))[:5]
    named = f" ({', '.join(operators)})" if operators and operators[0] not in reason(error) else ""
    return reason(error) + named
