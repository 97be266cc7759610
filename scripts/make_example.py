"""Makes the example that ships with czengine: a small image of nuclei and a model that segments it.

    python -m scripts.make_example [--image-only] [FOLDER]

run at the top of the repository, writes `nuclei.ome.zarr` and `nuclei.czann` into FOLDER (default:
`engine/czengine/example`). The image is drawn by `czengine.example.drawing`: the same bytes each time. The model is
trained by `examples/train_nuclei.py`, which takes minutes and the extra `converter`; its weights come out a little
different on other machines. So the tests remake the image, and of the committed model they ask what it finds. Where
the nuclei really are, `draw_nuclei` knows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from czengine.example import drawing

EXAMPLE = Path(__file__).resolve().parents[1] / "engine" / "czengine" / "example"

HEIGHT, WIDTH = 480, 640
NUCLEI = 64

MODEL_ID = "c41f7a0e-93d8-4b6f-8e25-d06b3a7f1c59"
STEPS = 300  # of training, three times as many as the script takes for itself


def draw_nuclei() -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """The picture of the example, and where its nuclei are.

    Returns
    -------
    image : ndarray of uint16
        (y, x), `HEIGHT` × `WIDTH`.
    truth : ndarray of int32
        (y, x), number of the nucleus a pixel belongs to, 1 to `NUCLEI`; 0 between them.
    """
    return drawing.draw_nuclei(HEIGHT, WIDTH, nuclei=NUCLEI, seed=7)


def write_image(folder: Path) -> None:
    """Write the image into `folder`, replacing what is there."""
    drawing.write_image(folder / "nuclei.ome.zarr", draw_nuclei()[0], compression=19)


def write_model(folder: Path, *, steps: int = STEPS) -> None:
    """Train the model and write it into `folder`, replacing what is there."""
    from examples import train_nuclei  # takes TensorFlow with it

    train_nuclei.make_archive(train_nuclei.train(steps), folder / "nuclei.czann", model_id=MODEL_ID)


def main() -> None:
    """Write one or both."""
    parser = argparse.ArgumentParser(description="Makes the example that ships with czengine.")
    parser.add_argument("folder", type=Path, nargs="?", default=EXAMPLE, help="where to put it")
    parser.add_argument("--image-only", action="store_true", help="leave the model as it is")
    parser.add_argument("--steps", type=int, default=STEPS, help="of training")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write_image(options.folder)
    if not options.image_only:
        write_model(options.folder, steps=options.steps)


if __name__ == "__main__":
    main()
