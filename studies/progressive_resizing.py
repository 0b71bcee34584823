"""Do smaller images first save time, and does accuracy pay for it where labels are few?

    python studies/progressive_resizing.py run --data-dir DIR    # Fashion-MNIST; DIR has its files

1cycle trains a small residual network on images of 14, then 21, then 28 pixels, a third of the
steps each (progressive resizing), against 28 pixels throughout. Both arms take the same rate, from
the same range tests at full size.

Measured on 2026-11-28, two cores of an Intel Xeon (bf16), 6 seeds, 84 trials. Growing images minus
full size in points of test accuracy, all six intervals together at 95 %, and seconds of training
for each second at full size (median, and the least and the largest of 6 seeds):

    labels  epochs                   gap               time
       300      10   -8.2 [-19.4, +3.0]  0.72 (0.67 to 0.75)
       300      20    -0.3 [-2.3, +1.8]  0.68 (0.64 to 0.72)
       300      40    +1.4 [-0.3, +3.1]  0.66 (0.61 to 0.70)
     1,000      10    -2.0 [-3.6, -0.3]  0.66 (0.61 to 0.71)
     1,000      20    -0.5 [-1.6, +0.6]  0.59 (0.54 to 0.64)
     1,000      40    +0.5 [-1.4, +2.3]  0.72 (0.67 to 0.76)

It saves about a third of the time. With 1,000 labels, runs of 10 epochs pay for that with accuracy:
a third of 157 steps is little to learn the full size in. All other gaps are undecided.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, epochs, from_range_test, grid, main

ONE_CYCLE = {"policy": "one_cycle", "momentum": 0.95, "min_momentum": 0.85}


def study(
    dataset: str = "fashion_mnist",
    model: str = "resnet8",
    labels: tuple[int, ...] = (300, 1000),
    budgets: tuple[float, ...] = (10, 20, 40),
    sizes: tuple[int, ...] = (14, 21, 28),
    batch_size: int = 64,
    seeds: int = 6,
) -> Study:
    """Return the study; `sizes` are those of images in equal parts of a run, in pixels."""
    max_lr = from_range_test()
    return Study(
        name=f"progressive_resizing_{dataset}_{model}",
        question="Do smaller images first save time, and does accuracy pay for it?",
        base=Trial(
            dataset=dataset,
            model=model,
            batch_size=batch_size,
            weight_decay=1e-4,
            eval_interval=1_000_000,  # only final accuracies are compared
        ),
        sweep=grid(data_count=labels, budget=tuple(map(epochs, budgets))),
        arms={
            "growing": Arm(**ONE_CYCLE, max_lr=max_lr, image_sizes=sizes),
            "full_size": Arm(**ONE_CYCLE, max_lr=max_lr),
        },
        seeds=seeds,
        tables=tables,
    )


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the seconds of training with growing images per second at full size, by seed."""
    point = ["data_count", "steps"]
    trainings = trials[trials["role"] == "training"]
    seconds = trainings.pivot_table("train_seconds", [*point, "seed"], "arm")
    ratio = seconds["growing"] / seconds["full_size"]
    spread = ratio.groupby(point).agg(["median", "min", "max", "count"])
    return {"seconds of growing / seconds of full_size": spread.reset_index()}


if __name__ == "__main__":
    main(study)
