"""How many more steps does a step schedule need for the accuracy that 1cycle ends with?

    python studies/speedup.py run                             # digits; seeds, budgets are flags
    python studies/speedup.py run --dataset fashion_mnist --data-dir DIR --model resnet20

Budgets are an axis of the design, and every schedule is stretched to each of them. Only final
accuracies are compared, never the beginning of one run with the end of another. The factor is that
of `superconv_ray.analysis.speedup`: ">" means that the step schedule does not get there within the
budgets that were run, "<" that it is better with the smallest budget already.

Measured on digits (1,437 labels, small_cnn, batch 32, 5 seeds), 2026-11-27, two cores of an Intel
Xeon (bf16). Test accuracy in %, mean and 95 % interval; gap in points, with its t interval; factor
with its 95 % interval over seeds:

    steps          one_cycle          piecewise                  gap    factor
       50  90.3 [86.8, 92.9]  85.0 [81.5, 87.9]    +5.3 [+2.9, +7.6]    1.38 [1.21, 1.61]
      100  95.5 [93.7, 96.8]  96.4 [94.6, 97.6]    -0.9 [-2.7, +0.9]    0.95 [0.87, 1.22]
      200  98.1 [97.3, 98.7]  98.6 [97.9, 99.1]    -0.5 [-0.8, -0.2]    0.86 [0.74, 0.93]
      400  98.8 [98.6, 99.0]  98.7 [97.9, 99.2]    +0.1 [-0.5, +0.7]    1.6 [0.38, inf)
      800  99.1 [98.6, 99.4]  98.8 [98.3, 99.2]    +0.2 [-0.2, +0.7]    > 1

1cycle is faster where training is shortest: with 50 steps it ends where the step schedule from 0.1
needs 69. From 100 steps on no speed-up shows, and at 200 the step schedule is slightly ahead. All
seeds share the max_lr that their range tests chose, 0.24 to 0.4, and the noise of that choice is in
no interval. With 50 steps a part of 1cycle's deficit to its own best is due to stale BN statistics
(93.9 % with re-estimated ones). Rates of 2 to 2.5, read off linear tests from 0 to 3 in 100 steps,
had shown the opposite: factors of 0.2 to 0.8 (NOTES.md).
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the speed-up at every budget of 1cycle."""
    from superconv_ray.analysis import speedup

    title = "speed-up: steps that piecewise needs for one_cycle's final accuracy / steps"
    return {title: speedup(trials, "one_cycle", "piecewise", ["data_count"])}


def study(
    dataset: str = "digits",
    model: str = "small_cnn",
    data_fraction: float = 1.0,
    budgets: tuple[int, ...] = (50, 100, 200, 400, 800),
    batch_size: int = 32,
    seeds: int = 5,
) -> Study:
    """Return the study at a size given by flags."""
    return Study(
        name=f"speedup_{dataset}_{model}",
        question="How many more steps does a step schedule need for 1cycle's final accuracy?",
        base=Trial(
            dataset=dataset,
            model=model,
            data_fraction=data_fraction,
            batch_size=batch_size,
            weight_decay=1e-4,
        ),
        sweep=grid(budget=tuple(map(iterations, budgets))),
        arms={
            "one_cycle": Arm(
                policy="one_cycle", max_lr=from_range_test(), momentum=0.95, min_momentum=0.85
            ),
            "piecewise": Arm(policy="piecewise", max_lr=0.1, momentum=0.9),
        },
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
