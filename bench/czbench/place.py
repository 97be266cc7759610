"""Where everything lies in a run of the benchmark: images, archives, results, interpreters; and what is drawn first."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from czbench.cases import CAST_MODEL, Contestant, Picture
from czbench.measure import measure

CONTESTANTS = Path(__file__).parent / "contestants"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Folders, interpreters and sizes of one run.

    Attributes
    ----------
    data, work, shared : Path
        Folder of drawn images; of results, which are deleted; of reference archives and images.
    python : str
        Interpreter with czengine.
    peer : str or None
        Interpreter with the peer.
    threads : int
        Cores every contestant may use.
    quick : bool
        Small images instead of those the goals are about.
    """

    data: Path
    work: Path
    shared: Path
    python: str
    peer: str | None
    threads: int
    quick: bool

    def image(self, image: Picture | str) -> Path:
        """Path of an image, drawn or shared."""
        if isinstance(image, str):
            return self.shared / image
        return self.data / f"{image.kind}-{self._edge(image)}.ome.zarr"

    def model(self, name: str) -> Path:
        """Path of an archive, drawn or shared."""
        return (self.data if name == CAST_MODEL else self.shared) / name

    def out(self, contestant: Contestant) -> Path:
        """Where a contestant writes."""
        return self.work / f"{contestant.name.replace(' ', '-')}.zarr"

    def result(self, contestant: Contestant) -> Path:
        """Its array of labels or scores."""
        return self.out(contestant) / contestant.result

    def command(self, contestant: Contestant) -> list[str]:
        """The command with everything filled in."""
        values = {
            "model": self.model(contestant.model),
            "image": self.image(contestant.image),
            "out": self.out(contestant),
            "threads": self.threads,
            "python": self.python,
            "here": sys.executable,
            "peer": self.peer,
            "contestants": CONTESTANTS,
        }
        return [part.format_map(values) for part in contestant.command]

    def missing(self, contestant: Contestant) -> str | None:
        """Why a contestant cannot take part; None where it can."""
        if contestant.needs_peer and self.peer is None:
            return "no interpreter that has the peer was given (--peer-python)"
        needed = [self.model(contestant.model), self.image(contestant.image)]
        for path in needed:
            if not path.exists():
                return f"{path} is not there"
        return None

    def draw(self, contestant: Contestant) -> None:
        """Make its image and its archive, where they are drawn and not there yet."""
        self.data.mkdir(parents=True, exist_ok=True)
        if isinstance(picture := contestant.image, Picture) and not (path := self.image(picture)).exists():
            edge = str(self._edge(picture))
            measure([sys.executable, "-m", "czbench.data", picture.kind, edge, str(path)])
        if contestant.model == CAST_MODEL and not (path := self.model(CAST_MODEL)).exists():
            measure([sys.executable, "-m", "czbench.networks", str(path)])

    def _edge(self, picture: Picture) -> int:
        return picture.quick if self.quick else picture.edge
