"""What does 1cycle gain over tuned schedules as labels become scarce?

    python studies/limited_data.py run --data-dir DIR        # this machine; DIR has the files
    python studies/limited_data.py plan --dataset cifar10 --model resnet8    # any flag of `study`

In the published comparison (ICLR submission of arXiv 1708.07120, table 1) the arms average BN
statistics differently, the baseline is a single run per point, and the number of iterations is
constant, so that fewer labels mean more epochs. Here all arms share seeds, subsets, initial
weights, batch order, budget in epochs and BN settings. For each number of labels, budget and seed,
each arm's max_lr is chosen by the same search, scored on a fifth of the limited labels.

Trainings are made as in `super_convergence.py`. That study asks how much faster an arm is; this
one, how the error depends on the number of labels.

Measured with ``--most-samples 250000 --usual piecewise --usual linear`` on 2026-11-29, two cores of
an Intel Xeon (bf16), 10 seeds, 1,500 trials. 1cycle minus each tuned schedule in points of test
accuracy; all 20 intervals hold together at 95 %:

    labels  epochs            piecewise               linear
       300      10    +0.6 [-1.3, +2.4]    +0.4 [-1.8, +2.6]
       300      40    -0.0 [-0.8, +0.8]    +0.1 [-0.7, +0.9]
       300     150    +0.0 [-0.5, +0.5]    +0.2 [-0.1, +0.5]
     1,000      10    +0.1 [-1.0, +1.3]    +0.1 [-1.0, +1.2]
     1,000      40    +0.1 [-0.2, +0.5]    +0.1 [-0.1, +0.3]
     1,000     150    -0.1 [-0.4, +0.2]    +0.0 [-0.3, +0.4]
     3,000      10    -0.1 [-0.8, +0.6]    -0.0 [-0.8, +0.7]
     3,000      40    +0.1 [-0.3, +0.4]    +0.1 [-0.2, +0.4]
     6,000      10    -0.1 [-0.8, +0.5]    +0.0 [-0.7, +0.7]
     6,000      40    +0.1 [-0.1, +0.2]    +0.0 [-0.2, +0.3]

Scarce labels give 1cycle no advantage here. It is equivalent to the others (within half a point) in
8 rows, among them all at the longest budget of 1,000 labels and more; 12 rows are undecided. All 8
factors are undecided: whether 1cycle needs three times fewer steps for the accuracy that another
schedule ends with cannot be told.

After 40 epochs the error falls as n to the power of -0.37 to -0.39 above a floor of 8 %, with all
three schedules. With a floor in common, 1cycle's exponent is larger by 0.006 (-0.006 to 0.018) and
0.000 (-0.012 to 0.014). For 1cycle's accuracy at 1,000 labels, linear decay takes 1.04 [1.01, 1.08]
times as many, the step schedule 1.04 [0.987, 1.11] times; at 3,000 labels both intervals hold 1.
Limits: LeNet, whose best rate is small, on one pool of images; no 150 epochs of 3,000 labels or
more, which take hours.
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
    labels: tuple[int, ...] = (300, 1000, 3000, 6000),
    budgets: tuple[float, ...] = (10, 40, 150),
    usual: tuple[str, ...] = super_convergence.USUAL,
    batch_size: int = 64,
    seeds: int = 10,
    tuning_trials: int = 4,
    most_samples: int = 0,
) -> Study:
    """Return the study at a size given by flags, which are those of `super_convergence.py`."""
    whole: Study = super_convergence.study(
        dataset, model, labels, budgets, usual, batch_size, seeds, tuning_trials, most_samples
    )
    return replace(
        whole,
        name=whole.name.replace("super_convergence", "limited_data"),
        question="What does 1cycle gain over tuned schedules as labels become scarce?",
        arms={arm: whole.arms[arm] for arm in (ARM, *usual)},
        tables=tables,
    )


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return how accuracy scales with labels, and how many labels 1cycle is worth.

    Both at the longest budget that every number of labels has.
    """
    from superconv_ray.analysis import compare_scaling, label_worth, scaling_fits

    counts = trials.groupby("epochs")["data_count"].nunique()
    longest = trials[trials["epochs"] == counts.index[counts == counts.max()].max()]
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
