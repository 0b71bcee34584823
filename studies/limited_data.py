"""What does 1cycle gain over tuned schedules as labels become scarce?

    python studies/limited_data.py run --data-dir DIR        # this machine; DIR has the files
    python studies/limited_data.py plan --dataset cifar10 --model resnet8    # any flag of `study`

In the published comparison (ICLR submission of arXiv 1708.07120, table 1) the arms average BN
statistics differently, the baseline is a single run per point, and the number of iterations is
constant, so that fewer labels mean more epochs. Here all arms share seeds, subsets, initial
weights, batch order, budget in epochs and BN settings. For each number of labels, budget and seed,
each arm's max_lr is chosen by the same search, scored on a fifth of the limited labels.

The trainings are those of `super_convergence.py`. That study asks how much faster an arm is; this
one, how the error depends on the number of labels.

Measured with ``--budgets 100 --labels 100 --labels 200 --labels 300 --labels 1000`` on 2026-11-28,
two cores of an Intel Xeon (bf16), 10 seeds, 1,200 trials. 1cycle minus each tuned schedule in
points of test accuracy after 100 epochs; all 20 intervals hold together at 95 %:

                        100 labels           200 labels           300 labels         1,000 labels
    piecewise    +0.1 [-0.4, +0.6]    -0.1 [-0.6, +0.4]    -0.1 [-0.6, +0.4]    +0.2 [-0.1, +0.5]
    linear       +0.1 [-0.4, +0.6]  +6.2 [-19.1, +31.6]    +0.1 [-0.4, +0.6]    +0.1 [-0.2, +0.5]
    cosine       +0.1 [-0.5, +0.6]    +0.1 [-0.4, +0.6]    -0.0 [-0.7, +0.6]    +0.1 [-0.3, +0.4]
    wsd          +0.0 [-0.5, +0.5]    +0.1 [-0.5, +0.7]    -0.1 [-0.6, +0.4]    +0.1 [-0.3, +0.4]
    inv          -0.0 [-0.7, +0.6]    +0.1 [-0.4, +0.6]    -0.1 [-0.6, +0.4]    +0.1 [-0.3, +0.5]

Scarce labels give 1cycle no advantage here. At 1,000 labels it is equivalent (within half a point)
to four of five tuned schedules, and undecided against inv. With fewer, all rows are undecided, and
no gap is above 0.2 points, but for the point where one run of linear decay diverged. Nor does
1cycle save labels: at 200 and 300, the other schedules reach its accuracy with 0.98 to 1.02 times
as many, with intervals from 0.93 to 1.08 (linear decay aside). The error falls as n to the power of
-0.23 with all of them. Limits: LeNet, whose best rate is small, on one pool of images; labels over
one decade; one budget.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import super_convergence  # type: ignore[import-not-found]  # lies beside this file

from superconv_ray import Study, main

ARM = "one_cycle"


def study(
    dataset: str = "fashion_mnist",
    model: str = "lenet",
    labels: tuple[int, ...] = (100, 300, 1000, 3000),
    budgets: tuple[float, ...] = (10, 30, 100),
    usual: tuple[str, ...] = super_convergence.USUAL,
    batch_size: int = 64,
    seeds: int = 10,
    tuning_trials: int = 4,
) -> Study:
    """Return the study at a size given by flags."""
    whole: Study = super_convergence.study(
        dataset, model, labels, budgets, usual, batch_size, seeds, tuning_trials
    )
    return replace(
        whole,
        name=f"limited_data_{dataset}_{model}",
        question="What does 1cycle gain over tuned schedules as labels become scarce?",
        arms={arm: whole.arms[arm] for arm in (ARM, *usual)},
        tables=tables,
    )


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return how accuracy scales with labels at the longest budget, and what 1cycle is worth."""
    from superconv_ray.analysis import compare_scaling, label_worth, scaling_fits

    longest = trials[trials["epochs"] == trials["epochs"].max()]
    baselines = [arm for arm in longest["arm"].drop_duplicates() if arm != ARM]
    return {
        "error = a n^-b + c": scaling_fits(longest),
        f"does {ARM} change the exponent or the offset?": compare_scaling(longest, ARM, baselines),
        f"labels with which a baseline reaches {ARM}'s accuracy / labels": label_worth(
            longest, ARM, baselines
        ),
    }


if __name__ == "__main__":
    main(study)
