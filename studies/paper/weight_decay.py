"""Does the best weight decay fall as max_lr grows?

    python studies/paper/weight_decay.py run --scale laptop
    python studies/paper/weight_decay.py run --scale paper --data-dir DIR    # DIR holds the files

Section 4.4 of arXiv 1803.09820: a large learning rate regularizes by itself, so that other
regularization must be reduced. The raw logs have ResNet-56 on CIFAR-10 at max_lr 3 with weight
decay 1e-3 (diverges), 1e-4 (92.4 %), 1e-5 (88.3 %) and 1e-6 (87.3 %), and no other max_lr. Here
max_lr is an axis. Accuracies are on test labels, as published; no setting of a further training is
chosen by them. The laptop scale is as in `headline.py`.

An earlier study, read on held-out labels, found the best weight decay on digits at 1e-2 for max_lr
0.1, at 1e-3 [1e-5, 1e-3] for 0.3 and 1, and at 1e-5 [1e-5, 1e-4] for 3; both ends were ends of the
grid (301 training labels, 300 steps of 32, 5 seeds; 2026-11-22, two cores of an AMD EPYC).

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds: the best
weight decay is 0.01 [0.0001, 0.01] at max_lr 0.1, and 0.001 [1e-05, 0.001] at 1. It moves by -1.0
decades [-inf, +1.0] for each decade of max_lr: undecided.
"""

from collections.abc import Mapping

import pandas as pd
from settings import BASE, SHORT, Scale, one_cycle_without

from superconv_ray import Arm, Study, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the best weight decay at each max_lr, and its shift."""
    from superconv_ray.analysis import optimum, optimum_shift

    return {
        "best weight decay at each max_lr": optimum(trials, "weight_decay", ["max_lr"]),
        "its shift with max_lr, in decades per decade": optimum_shift(
            trials, "weight_decay", "max_lr"
        ),
    }


def study(
    scale: Scale = "laptop",
    weight_decays: tuple[float, ...] = (),
    max_lrs: tuple[float, ...] = (),
    seeds: int = 10,
) -> Study:
    """Return the study; weight decays and rates are those of the scale if none are given."""
    paper = scale == "paper"
    weight_decays = weight_decays or (
        (1e-6, 1e-5, 1e-4, 1e-3) if paper else (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    )
    max_lrs = max_lrs or ((0.35, 1.0, 3.0) if paper else (0.1, 1.0))
    return Study(
        name=f"paper_weight_decay_{scale}",
        question="Does the best weight decay fall as max_lr grows?",
        base=BASE[scale],
        sweep=grid(max_lr=max_lrs, weight_decay=weight_decays),
        arms={"one_cycle": Arm(**one_cycle_without("max_lr", scale))},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
