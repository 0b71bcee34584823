"""Is less dropout best when the learning rate is large?

    python studies/paper/dropout.py run --scale laptop
    python studies/paper/dropout.py run --scale paper --data-dir DIR    # DIR holds the files

The ICLR submission of arXiv 1708.07120 reports a small gain from dropout of 0.2 in every block of
ResNet-56, under its large rate only. Here max_lr is an axis. Accuracies are on test labels; no
setting of a further training is chosen by them. The laptop scale is as in `headline.py`.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds. Dropout
changes accuracy by -0.8 points [-1.5, -0.1] at max_lr 0.1, and by +0.7 [-0.9, +2.3] at 1. The
difference, -1.5 [-3.3, +0.4], is undecided.
"""

from collections.abc import Mapping

import pandas as pd
from settings import BASE, SHORT, Scale, one_cycle_without

from superconv_ray import Arm, Study, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the best dropout at each max_lr."""
    from superconv_ray.analysis import optimum

    return {"best dropout at each max_lr": optimum(trials, "dropout", ["max_lr"])}


def study(
    scale: Scale = "laptop",
    dropouts: tuple[float, ...] = (0.0, 0.1, 0.3),
    max_lrs: tuple[float, ...] = (),
    seeds: int = 10,
) -> Study:
    """Return the study; rates are those of the scale if none are given."""
    max_lrs = max_lrs or ((0.35, 3.0) if scale == "paper" else (0.1, 1.0))
    return Study(
        name=f"paper_dropout_{scale}",
        question="Is less dropout best when the learning rate is large?",
        base=BASE[scale],
        sweep=grid(max_lr=max_lrs, dropout=dropouts),
        arms={"one_cycle": Arm(**one_cycle_without("max_lr", scale))},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
