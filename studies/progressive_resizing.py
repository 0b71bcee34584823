"""Do smaller images first save time, and does accuracy pay for it where labels are few?

    python studies/progressive_resizing.py run --data-dir DIR    # Fashion-MNIST; DIR has its files

1cycle trains a small residual network on images of 14, then 21, then 28 pixels, a third of the
steps each (progressive resizing), against 28 pixels throughout. Both arms take the same rate, from
the same range tests at full size. Budgets and labels are axes: a saving of time counts where
accuracy does not fall by more, and a longer run may be what the time is spent on.
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
    seeds: int = 8,
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
