"""Do 20 epochs of 1cycle beat 100 epochs of a step schedule on ImageNet?

    python studies/paper/imagenet.py run --scale laptop
    python studies/paper/imagenet.py run --scale paper --images DIR --processes-per-trial 8

DIR holds ImageNet's folders `train` and `val`, with a folder for each class, as
`torchvision.datasets.ImageNet` unpacks them; it may be a URI such as s3://bucket/imagenet.
Published top-1 accuracies in % (arXiv 1708.07120v3, figure 7, and the author's logs), one run each:

    network                20 epochs of 1cycle   100 epochs of a step schedule
    ResNet-50              66.4                  63.7
    Inception-ResNet-v2    73.8 and 73.9         68.0

1cycle goes from 0.05 to 1 and back, and ends at 0.00005, with weight decay 3e-6. The step schedule
has weight decay 1e-4. Here both schedules run with both decays and both budgets, on all labels and
on a tenth of them, so that one can tell what is due to which. What is not published is usual: batch
size 1,024, a step schedule from 0.1 that drops by ten after 3/10, 6/10 and 9/10. Inception-v3
stands in for Inception-ResNet-v2, which torchvision does not have.

The laptop scale has ResNet-8, images of 32 pixels, and 10 and 50 epochs of 1,500 JPEG files that it
makes in ImageNet's layout: scikit-learn's digits, pasted in random colors, sizes and places onto
darkened parts of its two photographs. Test images show other digits. 1cycle reads its rate off
range tests.

Measured at the laptop scale with ``--seeds 5`` on 2026-11-28, two cores of an Intel Xeon (bf16), 60
trials; test accuracy in %, and 1cycle minus the step schedule in points. Four intervals of gaps
hold together at 95 %:

    weight decay  epochs  1cycle  step                   gap
            1e-4      10    91.5  54.6  +37.0 [+16.1, +57.8]
            1e-4      50    96.6  95.4    +1.2 [-1.0, +3.4]
            3e-6      10    90.8  56.1  +34.7 [+13.5, +56.0]
            3e-6      50    96.9  95.7    +1.2 [+0.1, +2.3]

At equal budgets 1cycle, to about 1.2, is ahead of the usual step schedule from 0.1: far with 10
epochs, a little with 50. The published claim, that a fifth of the epochs suffices, does not hold
here: 10 epochs of 1cycle end below 50 of the step schedule (see the scorecard). The smaller weight
decay changes neither schedule much. After 2 epochs, 47 steps, neither had learned anything (8
seeds).

ResNet-18 on images of 64 pixels, with ``--models torchvision:resnet18 --image-size 64 --files 600
--weight-decays 1e-4 --budgets 3 --budgets 15 --seeds 3``, 15 trials, the same day: after 15 epochs
1cycle ends at 89.1 % and the step schedule from 0.1 at 12.7 %, a gap of +76.4 [+58.9, +94.0]
points; after 3 it is +12.9 [-31.9, +57.7].
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from settings import Scale

from superconv_ray import (
    Arm,
    ImageDataset,
    Study,
    Trial,
    epochs,
    from_range_test,
    grid,
    image_folder,
    main,
    paired,
)

PAPER_MODELS = ("torchvision:resnet50", "torchvision:inception_v3")
CYCLE = {"policy": "one_cycle", "momentum": 0.9, "div_factor": 20, "final_div_factor": 1000}
STEP = {"policy": "piecewise", "momentum": 0.9, "milestones": (0.3, 0.6, 0.9)}
PASTED = 96
"""Height and width of the images that the laptop scale makes."""


def make_images(root: Path, files: int) -> None:
    """Write JPEG files in ImageNet's layout: so many to train on, and a quarter as many others.

    A digit has a random color, size and place on a random part of a photograph.
    """
    from sklearn.datasets import load_digits, load_sample_image

    digits, labels = load_digits(return_X_y=True)
    photographs = [Image.fromarray(load_sample_image(n)) for n in ("china.jpg", "flower.jpg")]
    draws = np.random.default_rng(0)
    for part, first, last, count in (("train", 0, 1437, files), ("val", 1437, 1797, files // 4)):
        for number in range(count):
            which = first + number % (last - first)
            photograph = photographs[draws.integers(2)]
            left, top = (int(draws.integers(side - PASTED)) for side in photograph.size)
            image = photograph.crop((left, top, left + PASTED, top + PASTED))
            image = image.point(lambda value: value // 3)  # digits are brighter
            size = int(draws.integers(PASTED * 2 // 3, PASTED))
            ink = Image.fromarray((digits[which].reshape(8, 8) * 15.9).astype(np.uint8))
            color = tuple(draws.integers(128, 256, size=3).tolist())
            place = tuple(draws.integers(PASTED - size, size=2).tolist())
            mask = ink.resize((size, size), Image.Resampling.BICUBIC)
            image.paste(color, (*place, place[0] + size, place[1] + size), mask)
            path = root / part / f"n{labels[which]}" / f"{number:05}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, quality=90)


def made_images(files: int) -> Path:
    """Return the folder of the images that the laptop scale makes, once."""
    from superconv_ray.data.readers import default_data_dir

    root = default_data_dir() / f"pasted_digits_{files}"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as folder:
            make_images(Path(folder, "whole"), files)
            Path(folder, "whole").rename(root)  # so that it is there as a whole or not at all
    return root


def pixels(model: str, scale: Scale) -> int:
    """Return the height and width of images for a network."""
    if scale == "laptop":
        return 32
    return 299 if model == "torchvision:inception_v3" else 224


def study(
    scale: Scale = "laptop",
    images: str = "",
    files: int = 1500,
    models: tuple[str, ...] = (),
    weight_decays: tuple[float, ...] = (1e-4, 3e-6),
    fractions: tuple[float, ...] = (),
    budgets: tuple[int, ...] = (),
    image_size: int | None = None,
    image_sizes: tuple[int, ...] = (),
    seeds: int = 3,
) -> Study:
    """Return the study; networks, fractions of the labels and epochs are the scale's by default.

    `images` is a folder or URI of `train` and `val`; without one, the laptop scale makes `files`.
    `image_size` is the height and width of all images, by default the scale's and network's.
    `image_sizes` are those of training images in equal parts of a run (progressive resizing).
    """
    laptop = scale == "laptop"
    if not (laptop or images):
        raise ValueError("--images must be ImageNet's folder or URI at --scale paper, got none")
    models = models or (("resnet8",) if laptop else PAPER_MODELS)
    sizes = [image_size or pixels(model, scale) for model in models]

    def data(image_size: int) -> ImageDataset:
        root = (images or str(made_images(files))).rstrip("/")
        return image_folder(f"{root}/train", f"{root}/val", image_size=image_size)

    return Study(
        name=f"paper_imagenet_{scale}",
        question="Do 20 epochs of 1cycle beat 100 epochs of a step schedule on ImageNet?",
        base=Trial(
            batch_size=64 if laptop else 1024,
            augment="resized_crop" if laptop else "flip_resized_crop",  # digits have two sides
            image_sizes=image_sizes or None,
        ),
        sweep=paired(model=models, dataset=[f"images_{size}" for size in sizes])
        * grid(
            weight_decay=weight_decays,
            data_fraction=fractions or ((1.0,) if laptop else (0.1, 1.0)),
            budget=tuple(map(epochs, budgets or ((10, 50) if laptop else (20, 100)))),
        ),
        arms={
            "one_cycle": Arm(max_lr=from_range_test() if laptop else 1.0, **CYCLE),
            "step": Arm(max_lr=0.1, **STEP),
        },
        seeds=seeds,
        datasets={f"images_{size}": partial(data, size) for size in sizes},
    )


if __name__ == "__main__":
    main(study)
