"""Which batch size is best for 1cycle at equal iterations, at equal epochs and at equal time?

    python studies/batch_size.py run
    python studies/batch_size.py run --dataset fashion_mnist --data-dir DIR --step-ms 6 ...

Smith & Topin compare batch sizes at equal iterations (ICLR submission, table 5), Smith (1803.09820,
section 4.2) at nearly equal execution time; answers can differ, so the budget is an axis here. A
budget in time is made of the measured times of a step (`--step-ms`, in the order of
`--batch-sizes`): the study prints those of its own trials, to be put in on other hardware. max_lr
is read off range tests at every batch size and budget. The generalization gap is train minus test
accuracy at the end of a training.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import (
    Arm,
    Study,
    Trial,
    epochs,
    from_range_test,
    grid,
    iterations,
    main,
    seconds,
)


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The generalization gap of every batch size at every budget, and what a step took."""
    from superconv_ray.analysis.comparison import generalization_gap
    from superconv_ray.analysis.timing import step_seconds

    milliseconds = pd.Series(step_seconds(trials)) * 1000
    return {
        "generalization gap: train minus test accuracy": generalization_gap(
            trials, ["batch_size", "steps"]
        ),
        "measured time of a step": milliseconds.rename_axis("batch_size").reset_index(name="ms"),
    }


def study(
    dataset: str = "digits",
    model: str = "small_cnn",
    data_fraction: float = 1.0,
    batch_sizes: tuple[int, ...] = (16, 64, 256),
    step_ms: tuple[float, ...] = (2.2, 3.6, 9.0),
    steps: int = 300,
    passes: float = 20.0,
    time: float = 1.0,
    seeds: int = 5,
) -> Study:
    """The study, at a size given by flags; `time` is in seconds of training."""
    if len(batch_sizes) != len(step_ms):
        raise ValueError(
            f"step_ms must hold one time for each of {len(batch_sizes)} batch_sizes, got {step_ms}"
        )
    step_seconds = {size: ms / 1000 for size, ms in zip(batch_sizes, step_ms, strict=True)}
    budgets = (iterations(steps), epochs(passes), seconds(time, step_seconds))
    return Study(
        name=f"batch_size_{dataset}",
        question="Which batch size is best at equal iterations, epochs and time?",
        base=Trial(dataset=dataset, model=model, data_fraction=data_fraction, weight_decay=1e-4),
        sweep=grid(budget=budgets) * grid(batch_size=batch_sizes),
        arms={"one_cycle": Arm(policy="one_cycle", max_lr=from_range_test(steps=100))},
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
