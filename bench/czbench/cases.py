"""What is measured: which contestants do the same work on which image, how their results must agree, what is the goal.

Values only: commands are templates that `streaming` fills in. In them `{model}`, `{image}` and `{out}` are paths,
`{threads}` the number of cores, `{python}` the interpreter that has czengine, `{here}` the one that has czbench,
`{peer}` the one that has the peer, and `{contestants}` the folder of the programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from czbench.measure import Run

Form = Literal["ratio", "speed-up", "difference"]
Quantity = Literal["wall", "job", "peak"]

PGC_MODEL = "data/pgc/PGC_20X_nucleus_detector.czseg"
PGC_IMAGE = "data/pgc/PGC_20X_v05.ome.zarr"
NUCLEI_MODEL = "reference/real_simple_nuclei_segmodel.czann"
N2V_MODEL = "reference/real_N2V_tobacco_leaf.czann"
CAST_MODEL = "cast.czann"  # drawn, not shared


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that `data` draws: what, how large, and how large for a quick look."""

    kind: str
    edge: int
    quick: int


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to do the work.

    Attributes
    ----------
    name : str
        Unique within a case.
    command : tuple of str
        Program and arguments, templates.
    model : str
        Path below the shared folder, or `CAST_MODEL`; empty for none.
    image : Picture or str
        Drawn, or a path below the shared folder.
    result : str
        Where the full-resolution array lies in `{out}`; empty where it is `{out}` itself.
    """

    name: str
    command: tuple[str, ...]
    model: str = ""
    image: Picture | str
    result: str = ""

    @property
    def needs_peer(self) -> bool:
        """Whether the peer's interpreter is needed."""
        return "{peer}" in self.command


@dataclass(frozen=True, kw_only=True)
class Same:
    """How two results must agree for their times to count.

    Attributes
    ----------
    first, second : str
        Names of contestants.
    by : {"pixels", "foreground"}
        Pixel by pixel; or only how many pixels both report for all classes but the first, for images of two sizes.
    tolerance : float
        Values closer than this are equal.
    share : float
        Largest share of pixels that may differ.
    why : str
        The reason, where not every pixel has to be equal.
    """

    first: str
    second: str
    by: Literal["pixels", "foreground"] = "pixels"
    tolerance: float = 0.0
    share: float = 0.0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What the medians of two contestants have to reach.

    Attributes
    ----------
    ours, against : str
        Names of contestants.
    quantity : {"wall", "job", "peak"}
        Field of `Run`: whole process, the work alone, or memory.
    form : {"ratio", "speed-up", "difference"}
        ours/against, against/ours, or ours − against.
    limit : float or None
        At most this, for a speed-up at least this; None only informs.
    """

    ours: str
    against: str
    quantity: Quantity
    form: Form
    limit: float | None = None

    def value(self, ours: Run, against: Run) -> float | None:
        """The number to compare with the limit; None where a process did not say how long its job took."""
        a, b = getattr(ours, self.quantity), getattr(against, self.quantity)
        if a is None or b is None:
            return None
        return float({"ratio": a / b, "speed-up": b / a, "difference": a - b}[self.form])

    def met(self, value: float) -> bool:
        """Whether a value reaches the limit."""
        if self.limit is None:
            return True
        return value >= self.limit if self.form == "speed-up" else value <= self.limit


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row, or several, of the table: contestants that take turns, and what they have to reach."""

    id: str
    title: str
    contestants: tuple[Contestant, ...]
    same: tuple[Same, ...] = ()
    goals: tuple[Goal, ...]
    repeats: int = 3


_LOOP = (
    "{here}",
    "-m",
    "czbench.contestants.session_loop",
    "{model}",
    "{image}",
    "{out}",
    "--threads",
    "{threads}",
)
_COLD = (
    "{here}",
    "-m",
    "czbench.contestants.cold_run",
    "{model}",
    "{image}",
    "{out}",
    "--threads",
    "{threads}",
)
_COPY = ("{here}", "-m", "czbench.contestants.store_copy", "{image}", "{out}", "--threads", "{threads}")
_PEER = ("{peer}", "{contestants}/peer.py", "{model}", "{image}", "{out}")

_NUCLEI = Picture(kind="nuclei", edge=8192, quick=2048)
_LEAF = Picture(kind="nuclei", edge=4096, quick=1024)
_SMALL = Picture(kind="nuclei", edge=512, quick=512)
_SMOOTH = Picture(kind="smooth", edge=16384, quick=4096)
_SPARSE = Picture(kind="sparse", edge=65536, quick=16384)
_SPARSE_SMALL = Picture(kind="sparse", edge=4096, quick=4096)

_TIES = "the dropped softmax may decide a tie of two scores otherwise"
_BFLOAT = "OpenVINO adds in another order, and on some processors in 16 bits unless told otherwise"


def _ours(name: str, *options: str, model: str, image: Picture | str) -> Contestant:
    run = ("{python}", "-m", "czengine", "predict", "{model}", "{image}", "--out", "{out}", "-q")
    command = (*run, "--progress", "json", "--threads", "{threads}", *options)
    return Contestant(name=name, command=command, model=model, image=image, result="0")


CASES = (
    Case(
        id="pgc",
        title="PGC, ZEN network, intellesis tiling",
        contestants=(
            _ours("czengine cpu", "--device", "cpu", model=PGC_MODEL, image=PGC_IMAGE),
            Contestant(name="session.run loop", command=_LOOP, model=PGC_MODEL, image=PGC_IMAGE),
            _ours("czengine openvino", "--device", "openvino", model=PGC_MODEL, image=PGC_IMAGE),
            Contestant(name="peer", command=_PEER, model=PGC_MODEL, image=PGC_IMAGE),
        ),
        same=(
            Same(first="czengine cpu", second="session.run loop", share=1e-6, why=_TIES),
            Same(first="czengine openvino", second="peer", share=1e-3, why=_BFLOAT),
        ),
        goals=(
            Goal(ours="czengine cpu", against="session.run loop", quantity="job", form="ratio", limit=1.03),
            Goal(ours="czengine cpu", against="session.run loop", quantity="wall", form="ratio"),
            Goal(ours="czengine openvino", against="peer", quantity="wall", form="speed-up", limit=1.25),
            Goal(ours="czengine cpu", against="peer", quantity="wall", form="speed-up"),
        ),
    ),
    Case(
        id="nuclei",
        title="small network, 8192²",
        contestants=(
            _ours("czengine", model=NUCLEI_MODEL, image=_NUCLEI),
            Contestant(name="peer", command=_PEER, model=NUCLEI_MODEL, image=_NUCLEI),
        ),
        same=(Same(first="czengine", second="peer", share=1e-4, why=_BFLOAT),),
        goals=(
            Goal(ours="czengine", against="peer", quantity="wall", form="speed-up", limit=3),
            Goal(ours="czengine", against="peer", quantity="peak", form="ratio", limit=1 / 3),
            Goal(ours="czengine", against="peer", quantity="job", form="speed-up"),
        ),
    ),
    Case(
        id="seamless",
        title="N2V, 4096², seamless",
        contestants=(
            _ours("seamless", "--tiling", "seamless", model=N2V_MODEL, image=_LEAF),
            _ours(
                "tile 256, border 64", "--tile-size", "256", "--border", "64", model=N2V_MODEL, image=_LEAF
            ),
        ),
        same=(
            Same(
                first="seamless",
                second="tile 256, border 64",
                tolerance=1e-4,
                why="sums are added in another order; with this border no tile sees its edge",
            ),
        ),
        goals=(
            Goal(ours="seamless", against="tile 256, border 64", quantity="wall", form="speed-up", limit=2.5),
        ),
        repeats=2,
    ),
    Case(
        id="copy",
        title="network of one Cast, 16384² uint16, blosc-zstd",
        contestants=(
            _ours("czengine", "--no-scale-inputs", model=CAST_MODEL, image=_SMOOTH),
            Contestant(name="copy as float32", command=(*_COPY, "--dtype", "float32"), image=_SMOOTH),
            Contestant(name="copy", command=_COPY, image=_SMOOTH),
        ),
        same=(Same(first="czengine", second="copy as float32"), Same(first="czengine", second="copy")),
        goals=(
            Goal(ours="czengine", against="copy", quantity="job", form="speed-up", limit=0.8),
            Goal(ours="czengine", against="copy as float32", quantity="job", form="speed-up"),
            Goal(ours="czengine", against="copy as float32", quantity="wall", form="speed-up"),
        ),
    ),
    Case(
        id="memory",
        title="peak memory, 4096² and 65536² sparse",
        contestants=(
            _ours("large", model=NUCLEI_MODEL, image=_SPARSE),
            _ours("small", model=NUCLEI_MODEL, image=_SPARSE_SMALL),
        ),
        same=(
            Same(
                first="large",
                second="small",
                by="foreground",
                share=0.05,
                why="the same nuclei lie elsewhere",
            ),
        ),
        goals=(
            Goal(ours="large", against="small", quantity="peak", form="ratio", limit=1.05),
            Goal(ours="large", against="small", quantity="wall", form="ratio"),
        ),
        repeats=1,
    ),
    Case(
        id="cold",
        title="small image (512²), cold process",
        contestants=(
            _ours("czengine", model=NUCLEI_MODEL, image=_SMALL),
            _ours("czengine cpu", "--device", "cpu", model=NUCLEI_MODEL, image=_SMALL),
            Contestant(name="session.run", command=_COLD, model=NUCLEI_MODEL, image=_SMALL),
        ),
        same=(
            Same(first="czengine", second="session.run", share=1e-3, why=_BFLOAT),
            Same(first="czengine cpu", second="session.run", share=1e-5, why=_TIES),
        ),
        goals=(
            Goal(ours="czengine", against="session.run", quantity="wall", form="difference", limit=1.5),
            Goal(ours="czengine cpu", against="session.run", quantity="wall", form="difference", limit=1.5),
        ),
        repeats=5,
    ),
)
