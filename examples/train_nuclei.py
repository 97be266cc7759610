"""Trains a small U-Net to find nuclei, makes an archive of it, and segments an image that it has never seen.

    pip install 'czengine[cpu,converter]'
    python examples/train_nuclei.py --out nuclei

takes a minute or two, without a GPU and without data: the nuclei are drawn by `czengine.example.drawing`, which knows
where it put them. With pictures and annotations of your own in the place of `draw_training`, the rest stays as it is.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from czconverter import ArchiveMetadata, ConversionReport, ConvertOptions, convert
from czconverter.frameworks import quiet
from czengine import predict
from czengine.example.drawing import PIXEL_SIZE, classes_of, draw_nuclei, write_image

os.environ["KERAS_BACKEND"] = "tensorflow"
with quiet():  # TensorFlow has much to say when it starts
    import keras
    import tensorflow
    from keras import layers

    tensorflow.config.list_physical_devices()  # and when it looks for a GPU

CLASSES = ("Background", "Nucleus", "Nucleus border")
WEIGHTS = (1, 1, 2)  # of their pixels in training: there are few border pixels, and they keep nuclei apart

PICTURE = 128  # pixels, height and width of the pictures to train on
NUCLEI = 14  # in each of them: a crowd, for it is where nuclei touch that a network has most to learn
BATCH = 8  # pictures per step
STEPS = 100

FILTERS = (8, 16, 32)  # of the network's three levels; each looks at pixels twice as large as the one above
TILE = 256  # pixels; what the network gets at once from czengine and ZEN

# How far a pixel of the result looks: two 3 × 3 convolutions (2 pixels) and a pooling of 2 × 2 (1), both where pixels
# are twice as large (4 + 2), two convolutions where they are four times as large (8), and on the way up two where they
# are twice as large (4) and two at full size (2). That is 23; the border, which is thrown away, covers it.
BORDER = 32


def draw_training(steps: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Pictures to train on, all different, and the class of each of their pixels.

    Returns
    -------
    pictures : ndarray of float32
        (picture, y, x, 1), from 0 to 1: `.czann` networks get integers divided by the maximum of their type.
    classes : ndarray of uint8
        (picture, y, x), index into `CLASSES`.
    """
    seeds = range(1000, 1000 + steps * BATCH)
    drawn = [draw_nuclei(PICTURE, PICTURE, nuclei=NUCLEI, seed=seed) for seed in seeds]
    pictures = np.stack([image for image, _ in drawn]).astype(np.float32) / np.float32(65535)
    return pictures[..., np.newaxis], np.stack([classes_of(truth) for _, truth in drawn])


def build(pictures: NDArray[np.float32]) -> keras.Model:
    """A U-Net for pictures of any size; it brings them to mean 0 and deviation 1 as those of the training."""
    normalization = layers.Normalization(axis=None)
    normalization.adapt(pictures)
    picture = keras.Input((None, None, 1))
    fine = _twice(normalization(picture), FILTERS[0])
    medium = _twice(layers.MaxPooling2D()(fine), FILTERS[1])
    coarse = _twice(layers.MaxPooling2D()(medium), FILTERS[2])
    medium = _twice(layers.Concatenate()([_larger(coarse, FILTERS[1]), medium]), FILTERS[1])
    fine = _twice(layers.Concatenate()([_larger(medium, FILTERS[0]), fine]), FILTERS[0])
    return keras.Model(picture, layers.Conv2D(len(CLASSES), 1, activation="softmax")(fine))


def _twice(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return x


def _larger(x: Any, filters: int) -> Any:
    return layers.Conv2DTranspose(filters, 2, strides=2)(x)


def train(steps: int) -> keras.Model:
    """Draw and learn: no picture is seen twice. The same number of steps gives the same network."""
    keras.utils.set_random_seed(1)
    tensorflow.config.experimental.enable_op_determinism()
    pictures, classes = draw_training(steps)
    network = build(pictures)
    rate = keras.optimizers.schedules.CosineDecay(0.01, steps)
    network.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    network.fit(pictures, classes, sample_weight=np.array(WEIGHTS)[classes], batch_size=BATCH)
    return network


def make_archive(network: keras.Model, path: Path, *, model_id: str | None = None) -> ConversionReport:
    """Write the network as `.czann`, which czengine and ZEN read. The report says how exactly it does the same.

    Without a `model_id`, a UUID, the archive gets one that goes by what is in it.
    """
    size = PIXEL_SIZE * 1e-6  # metres
    metadata = ArchiveMetadata(
        name="Nuclei", classes=CLASSES, border=BORDER, pixel_size=(size, size), id=model_id
    )
    return convert(network, path, metadata, options=ConvertOptions(spatial_dims=(TILE, TILE), overwrite=True))


def draw_test(path: Path) -> NDArray[np.bool_]:
    """Write an image of many tiles, unlike those trained on; return where its nuclei are, (y, x)."""
    image, truth = draw_nuclei(768, 768, nuclei=120, seed=1)
    write_image(path, image)
    return truth > 0


def overlap(labels: Path, truth: NDArray[np.bool_]) -> float:
    """Intersection over union of the nuclei that were found, borders included, and of those that are there."""
    pixels = np.asarray(zarr.open_array(labels / "0", mode="r")).squeeze()
    found = pixels > 1  # labels count from 1: Background, Nucleus, Nucleus border
    return float((found & truth).sum() / (found | truth).sum())


def main() -> None:
    """From drawing to score."""
    parser = argparse.ArgumentParser(description="Trains a network on drawn nuclei.")
    parser.add_argument(
        "--out", type=Path, default=Path("nuclei"), help="folder for the archive and the image"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training, {BATCH} pictures each")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps is {options.steps}; at least 1 is needed")
    options.out.mkdir(parents=True, exist_ok=True)
    archive, image = options.out / "nuclei.czann", options.out / "nuclei.ome.zarr"

    network = train(options.steps)
    made = make_archive(network, archive)
    print(f"archive: {archive}, differs from Keras by {made.comparison.max_error:.1g} at most")

    truth = draw_test(image)
    (result,) = predict(archive, image)
    print(f"result:  {result.results[0]}, {result.tiles} tiles in {result.seconds:.1f} s")
    print(f"IoU:     {overlap(result.results[0], truth):.3f}")


if __name__ == "__main__":
    main()
