"""How short may 1cycle be and still match a long step schedule?

    python studies/paper/step_size.py run --scale laptop
    python studies/paper/step_size.py run --scale paper --data-dir DIR    # DIR holds the files

Table 1 of the ICLR submission of arXiv 1708.07120, ResNet-56 on CIFAR-10, one run each. Published
test accuracies in % by iterations, of which half are the step size of the cycle:

    iterations      2k     4k     6k     8k    10k    20k    80k
    cycle         89.7   91.1   92.1   91.7   92.4   92.7
    step                                                    91.2

As published, batch norm averages over a fixed part of each run. Every arm runs with every budget,
so that the step schedule shows how short it may be, too. The laptop scale is as in `headline.py`.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds: 1cycle
needs 1.2 times fewer steps [0.0, 1.7] than the longest step schedule for its accuracy. A cycle as
short as published does not do here.
"""

from collections.abc import Mapping

import pandas as pd
from settings import BASE, LONG, ONE_CYCLE, SHORT, STEP, Scale

from superconv_ray import Arm, Study, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the speed-up to the long step schedule's accuracy, and at every budget of 1cycle."""
    from superconv_ray.analysis import speedup, time_to_accuracy

    return {
        "fewer steps to the long step schedule's final accuracy": time_to_accuracy(
            trials, "one_cycle", "step"
        ),
        "steps that step needs for one_cycle's final accuracy / steps": speedup(
            trials, "one_cycle", "step"
        ),
    }


def study(scale: Scale = "laptop", steps: tuple[int, ...] = (), seeds: int = 10) -> Study:
    """Return the study; iterations are those of the scale if none are given."""
    fractions = (0.2, 0.4, 0.6, 0.8, 1, 2) if scale == "paper" else (0.5, 1, 2)
    steps = steps or (*(round(part * SHORT[scale]) for part in fractions), LONG[scale])
    return Study(
        name=f"paper_step_size_{scale}",
        question="How short may 1cycle be and still match a long step schedule?",
        base=BASE[scale],
        sweep=grid(budget=tuple(map(iterations, steps))),
        arms={"one_cycle": Arm(**ONE_CYCLE[scale]), "step": Arm(**STEP[scale])},
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
