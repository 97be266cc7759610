"""What a conversion did, and how well the archive does what its source did. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from czengine.certificate import Certificate
from czengine.spec import Runtime


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Source and archive, run side by side on the same pictures.

    Attributes
    ----------
    pictures : int
        How many, random and structured.
    batches : tuple of int
        Batch sizes they were run in.
    max_error, mean_error : float
        Absolute difference of the outputs.
    range : float
        Largest minus smallest output of the source; errors are judged relative to it.
    agreement : float or None
        Share of pixels with the same class, 0 to 1; None where there are no classes to choose from.
    source_seconds, archive_seconds : float
        Time of each for all pictures, one after the other on the same cores.
    """

    pictures: int
    batches: tuple[int, ...]
    max_error: float
    mean_error: float
    range: float
    agreement: float | None
    source_seconds: float
    archive_seconds: float

    @property
    def relative_error(self) -> float:
        """Largest difference, relative to the range of the source's output."""
        return self.max_error / self.range if self.range else self.max_error


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """What a conversion did.

    Attributes
    ----------
    target : Path
        The archive.
    id : str
        Its UUID.
    format, format_version, runtime
        As in `czengine.ModelSpec`.
    source, framework : str
        What it was made from, and the packages that ran it.
    tile : (height, width)
        Pixels, border included.
    border : (y, x)
        Pixels per side.
    channels, outputs, parameters : int
        Network channels in and out; number of weights (0 where a SavedModel keeps them).
    opset : int or None
        ONNX opset of the network inside.
    comparison : Comparison
        The proof.
    tolerance : float
        Largest relative error that was allowed.
    certificate : Certificate
        Whether the border is as large as the network looks far, as its graph proves.
    border_leak : float or None
        Largest change of an output, relative to their range, that pixels farther away than the border made in a trial;
        0 proves nothing. None where the tile is too small to try.
    lost : tuple of str
        What the source archive said and the target cannot hold, one sentence each.
    warnings : tuple of str
        What a user should know, one sentence each.
    seconds : float
        Time of the whole conversion.
    """

    target: Path
    id: str
    format: str
    format_version: str | None
    runtime: Runtime
    source: str
    framework: str
    tile: tuple[int, int]
    border: tuple[int, int]
    channels: int
    outputs: int
    parameters: int
    opset: int | None
    comparison: Comparison
    tolerance: float
    certificate: Certificate
    border_leak: float | None
    lost: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float
