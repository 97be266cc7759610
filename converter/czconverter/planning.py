"""What is settled about a conversion before anything is exported: metadata, size, channels, steps, licence.

The user's word goes before the source's, the network's own sizes before what is only declared; where they contradict
each other it is an error here. Nothing is run but the trial of another size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from czconverter import checks
from czconverter.loaders.base import Network
from czconverter.metadata import ArchiveMetadata
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.package.contents import Member, licence_file
from czconverter.ranges import bridge, input_range
from czconverter.sources import Source, lost
from czconverter.steps import Normalization, PerImageStandardization, Scale, Step, TransposeChannels
from czconverter.steps.parsing import parse_step
from czconverter.steps.tensors import is_keras_layer
from czengine.errors import OptionError

_SCALING = (Normalization, PerImageStandardization, Scale)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversion, settled.

    Attributes
    ----------
    network : Network
        Of its final size.
    metadata : ArchiveMetadata
        Complete but for the id.
    format : {"czmodel", "czann"}
        What is written.
    tile : (height, width)
        Pixels, border included.
    channels : int
        Of the network's input.
    before, after : tuple of Step or Keras layer
        Around the network, in order; the bridge between two conventions of pixel values comes first.
    licence : (name, bytes) or None
        To pack.
    lost : tuple of str
        What the format has no place for, one sentence each.
    fed_before : bool
        Whether the source says what pixel values the network expects, as archives and JSON specs do.
    """

    network: Network
    metadata: ArchiveMetadata
    format: TargetFormat
    tile: tuple[int, int]
    channels: int
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    licence: Member | None
    lost: tuple[str, ...]
    fed_before: bool

    @property
    def largest(self) -> tuple[float, ...]:
        """Largest input value per channel."""
        return input_range(self.metadata.pixel_types, self.channels, self.format)


def make_plan(
    found: Source, said: ArchiveMetadata, format_: TargetFormat, path: Path, options: ConvertOptions
) -> Plan:
    """Settle everything.

    Parameters
    ----------
    found : Source
        What is converted.
    said : ArchiveMetadata
        The user's word.
    format_ : {"czmodel", "czann"}
        What is written.
    path : Path
        The target, whose name the model gets where nobody named it.
    options : ConvertOptions
        With steps parsed.

    Raises
    ------
    OptionError
        Where something is missing, or does not go together.
    PlanError
        Where the border leaves nothing of the tile.
    ModelError
        Where the network cannot be given the size.
    """
    metadata = said.merged(found.metadata)
    dropped = lost(metadata, format_)
    metadata = replace(metadata, name=metadata.name or path.stem, color_handling=_handling(metadata))
    if format_ == "czmodel":
        metadata = _one_border(metadata, said)
    checks.complete(metadata, format_)
    channels = _channels(found.network, metadata, options)
    checks.channels(metadata, channels)
    tile = _tile(found.network, metadata, options)
    checks.tiling(metadata, tile)
    network = found.network
    if options.tile or format_ == "czmodel" or network.needs_size:
        network = network.sized(*tile, channels)
    bridged = _bridge(found, format_, metadata.pixel_types)
    return Plan(
        network=network,
        metadata=metadata,
        format=format_,
        tile=tile,
        channels=channels,
        before=(*bridged, *options.preprocessing),
        after=tuple(options.postprocessing),
        licence=licence_file(metadata.licence) if metadata.licence else found.licence,
        lost=dropped,
        fed_before=found.scaled is not None or found.network.counts is not None,
    )


def _bridge(found: Source, format_: TargetFormat, pixel_types: Sequence[str]) -> tuple[Scale, ...]:
    """What feeds the network as it expects: a source's own convention, or the type of its input, where they say."""
    if found.scaled is None and found.network.counts is not None:
        return (Scale(found.network.counts),) if format_ == "czann" else ()
    scaled = format_ == "czann" if found.scaled is None else found.scaled
    return bridge(scaled=scaled, format_=format_, pixel_types=pixel_types)


def _handling(metadata: ArchiveMetadata) -> str | None:
    """Colour stays colour where a pixel type is colour."""
    if metadata.color_handling or not metadata.pixel_types:
        return metadata.color_handling
    return (
        "SplitRgb" if any(name.startswith("Bgr") for name in metadata.pixel_types) else "ConvertToMonochrome"
    )


def _one_border(metadata: ArchiveMetadata, said: ArchiveMetadata) -> ArchiveMetadata:
    """A `.czmodel` has one border for both axes: the larger one of the source, but the user's own must be one."""
    y, x = metadata.sides
    if said.border is not None and y != x:
        raise OptionError(f"the border is {y} and {x} pixels; a .czmodel has one for both axes")
    return replace(metadata, border=None if metadata.border is None else max(y, x))


def _channels(network: Network, metadata: ArchiveMetadata, options: ConvertOptions) -> int:
    """The network's own channels, or what was said about them."""
    if options.channels and network.channels not in (None, options.channels):
        raise OptionError(
            f"--channels is {options.channels}, the network takes {network.channels}; leave it out"
        )
    declared = metadata.shapes[0][2] if metadata.shapes else metadata.pixel_channels
    channels = network.channels or options.channels or declared
    if channels is None:
        raise OptionError("the network does not say how many channels it takes; give --channels")
    return channels


def _tile(network: Network, metadata: ArchiveMetadata, options: ConvertOptions) -> tuple[int, int]:
    """The size asked for, the network's own, or the one declared; axis by axis."""
    declared = metadata.tile or (None, None)
    sizes = [own or said for own, said in zip(options.tile or network.size, declared, strict=True)]
    if None in sizes:
        raise OptionError(
            "the network takes pictures of any size; say which tile it shall get: --spatial-dims HEIGHT WIDTH"
        )
    height, width = (size or 0 for size in sizes)
    if metadata.tile not in (None, (height, width)) and not (options.tile or metadata.shapes):
        raise OptionError(
            f"the declared tile is {times(declared)} pixels, the network takes {times(network.size)}; leave"
            " --tile out, or give another size with --spatial-dims HEIGHT WIDTH"
        )
    return height, width


def _steps(given: Sequence[Any]) -> tuple[Any, ...]:
    """Steps and Keras layers as they are, text as the steps it stands for.

    Raises
    ------
    OptionError
        For anything else.
    """
    steps = tuple(parse_step(step) if isinstance(step, str) else step for step in given)
    for step in steps:
        if not (isinstance(step, Step) or is_keras_layer(step)):
            raise OptionError(
                f"step {step!r} is a {type(step).__name__}; give steps of czconverter.steps, text, or Keras layers"
            )
    return steps


def hints(plan: Plan) -> tuple[str, ...]:
    """What is often forgotten about a network that comes from a framework, and looks like it was forgotten here."""
    if plan.fed_before:
        return ()
    largest, found = max(plan.largest), []
    if largest > 1 and not any(isinstance(step, _SCALING) or is_keras_layer(step) for step in plan.before):
        found.append(
            f"a .czmodel feeds the counts themselves, 0 to {largest:g}; a network trained on 0 to 1 needs --preprocess"
            f" scale:1/{largest:g}"
        )
    if plan.channels == 3 and not any(isinstance(step, TransposeChannels) for step in plan.before):
        found.append(
            "colour reaches the network as blue, green, red; one trained on red, green, blue needs"
            " --preprocess rgb-to-bgr"
        )
    return tuple(found)


def times(sizes: Sequence[int | None]) -> str:
    """Sizes for a sentence, e.g. "256 × any"."""
    return " × ".join("any" if size is None else str(size) for size in sizes)


def with_steps_parsed(options: ConvertOptions) -> ConvertOptions:
    """The options with steps for their text.

    Raises
    ------
    OptionError
        For text that is no step, and for what is neither text, step nor Keras layer.
    """
    return replace(
        options,
        preprocessing=_steps(options.preprocessing),
        postprocessing=_steps(options.postprocessing),
    )
