"""Which rule of reading an LR range test finds the max_lr that 1cycle does best at?

    python studies/lr_rules.py run --data-dir DIR           # Fashion-MNIST; DIR holds the files
    python studies/lr_rules.py run --dataset digits --batch-size 32

The study trains 1cycle in full over a grid of max_lr. It also runs range tests with the same data,
model and length, from which every known rule suggests a rate. All are measured on the same labels,
held out of the limited ones, because a rate is chosen here.

Measured on Fashion-MNIST (6,000 labels, small_cnn, 300 steps of 64, 3 seeds), 2026-11-28, two cores
of an Intel Xeon (bf16), 2 minutes of training. Validation accuracy in % by max_lr, mean and 95 %
interval:

    0.003  46.1 [37.3, 55.0]      0.1  75.9 [72.6, 79.0]      3    74.0 [65.7, 80.8]
    0.01   57.8 [55.0, 60.6]      0.3  76.8 [71.8, 81.2]     10    10.0 [10.0, 10.0]
    0.03   71.0 [68.8, 73.1]      1    77.6 [72.7, 81.8]

Cost of a rule's rate relative to the best of these, 1, in points, with a 95 % bootstrap interval:

    rule                                  lr   decades off     cost
    Smith's accuracy peak               0.96       0.0          0.0 [0.0, 0.0]
    middle of the plateau               0.57      -0.2          0.3 [0.0, 0.6]
    fastai's slide                      0.30      -0.5          0.7 [0.0, 1.3]
    Smith's point where it slows        0.24      -0.6          0.9 [0.3, 1.3]
    fastai's valley                     0.12      -0.9          1.5 [1.1, 2.0]
    fastai's steep                      2.2       +0.3          2.5 [1.7, 4.0]
    fastai's minimum / 10               0.068     -1.2          3.2 [2.4, 4.5]
    Lightning's steepest gradient       0.0003    -3.6         not trained that low

Smith's accuracy peak comes nearest here; the middle of the plateau, which `from_range_test()`
follows, costs a third of a point. From 0.1 to 1 the accuracy changes by less than two points, and
the advantage of the best rate over 0.3 lies within the spread of three seeds. This is one data set,
one model and one length of training.
"""

import math
from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, iterations, main


def tables(trials: pd.DataFrame, curves: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the cost of following each rule, and what the range tests show."""
    from superconv_ray.analysis import join_range_tests, range_test_table, rule_costs

    costs = rule_costs(trials, curves)
    amounts = ["cost", "low", "high"]
    costs[amounts] = (100 * costs[amounts]).round(2)  # in points
    shown = ["labels", "seeds", "max_lr", "peak_lr", "low", "high", "verdict", "advice"]
    return {
        "rules: how far from the best max_lr, and what that costs in points": costs,
        "the range tests": range_test_table(join_range_tests(trials, curves))[shown],
    }


def study(
    dataset: str = "fashion_mnist",
    model: str = "small_cnn",
    data_fraction: float = 0.1,
    max_lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    highest: float = 10.0,
    steps: int = 300,
    batch_size: int = 64,
    seeds: int = 3,
) -> Study:
    """Return the study at a size given by flags; `highest` is where the range tests end."""
    test = Arm(
        policy="range_test_exponential",
        max_lr=highest,
        start_lr=1e-4,
        eval_interval=max(1, steps // 100),
    )
    # The results compare every arm with the first, which is therefore the conventional 0.1.
    ordered = sorted(max_lrs, key=lambda max_lr: abs(math.log10(max_lr / 0.1)))
    arms = {f"{max_lr:g}": Arm(policy="one_cycle", max_lr=max_lr) for max_lr in ordered}
    return Study(
        name=f"lr_rules_{dataset}_{model}",
        question="Which rule of reading a range test finds the best max_lr?",
        base=Trial(
            dataset=dataset,
            model=model,
            data_fraction=data_fraction,
            validation_fraction=0.2,
            batch_size=batch_size,
            weight_decay=1e-4,
            momentum=0.95,
            min_momentum=0.85,
            eval_interval=steps,
        ),
        arms={**arms, "range test": test},
        budget=iterations(steps),
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
