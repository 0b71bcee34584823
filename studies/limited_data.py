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
