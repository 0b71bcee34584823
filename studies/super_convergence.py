"""Does a short 1cycle end where a long usual schedule ends, and more so with few labels?

    python studies/super_convergence.py run --data-dir DIR    # Fashion-MNIST; DIR has its files
    python studies/super_convergence.py run --model resnet8 --seeds 10 --data-dir DIR

The published claim of super-convergence is a matter of time: on CIFAR-10, 1cycle ends after 10,000
iterations with a higher accuracy than a step schedule after 80,000 (arXiv 1708.07120, figure 1);
on MNIST, after 12 epochs with a higher one than `inv` after 85 (table 4). So budgets are an axis
here, in epochs of the limited labels, and each schedule is stretched to each of them.

The published baselines were not tuned, and not for their budget. `inv_0.01` and `step_0.01` are
these baselines. The other arms except `range_tested` choose max_lr for each number of labels,
budget and seed by the same search, on a fifth of the limited labels. `range_tested` is 1cycle by
the paper's own rule.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, Tuning, epochs, from_range_test, grid, main, tuned

ONE_CYCLE = {"policy": "one_cycle", "momentum": 0.95, "min_momentum": 0.85}
LENET_STEPS = {"milestones": (1 / 2, 3 / 4, 7 / 8, 15 / 16, 0.9376), "decay_factor": 0.316}
"""The author's steps for LeNet, as fractions of the run. His file lists the last drop, at 29/32,
after that at 15/16, and Caffe takes them in this order, so that both come at the same iteration."""
USUAL = ("piecewise", "linear", "cosine", "wsd", "inv")
"""Policies that are tuned as 1cycle is."""


def study(
    dataset: str = "fashion_mnist",
    model: str = "lenet",
    labels: tuple[int, ...] = (100, 300, 1000, 3000),
    budgets: tuple[float, ...] = (3, 10, 30, 100),
    usual: tuple[str, ...] = USUAL,
    batch_size: int = 64,
    seeds: int = 5,
    tuning_trials: int = 4,
) -> Study:
    """Return the study at a size given by flags."""
    max_lr = tuned(0.003, 0.3)
    return Study(
        name=f"super_convergence_{dataset}_{model}",
        question="Does a short 1cycle end where a long usual schedule ends?",
        base=Trial(
            dataset=dataset,
            model=model,
            batch_size=batch_size,
            weight_decay=5e-4,
            momentum=0.9,
            eval_interval=1_000_000,  # only final accuracies are compared
        ),
        sweep=grid(data_count=labels, budget=tuple(map(epochs, budgets))),
        arms={
            "one_cycle": Arm(**ONE_CYCLE, max_lr=max_lr),
            **{policy: Arm(policy=policy, max_lr=max_lr) for policy in usual},
            "range_tested": Arm(**ONE_CYCLE, max_lr=from_range_test()),
            "inv_0.01": Arm(policy="inv", max_lr=0.01),
            "step_0.01": Arm(policy="piecewise", max_lr=0.01, **LENET_STEPS),
        },
        seeds=seeds,
        tuning=Tuning(trials=tuning_trials),
        tables=tables,
    )


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the speed-up over the published baseline and over a tuned one, per n."""
    from superconv_ray.analysis import time_to_accuracy

    arms = list(trials["arm"].drop_duplicates())
    return {
        f"steps of {baseline} / steps to the accuracy that it ends with": time_to_accuracy(
            trials, [arm for arm in arms if arm != baseline], baseline, ["data_count"]
        )
        for baseline in ("inv_0.01", "piecewise")
        if baseline in arms
    }


if __name__ == "__main__":
    main(study)
