"""Do large learning rates find flatter minima?

    python studies/paper/flat_minima.py run --scale laptop
    python studies/paper/flat_minima.py run --scale paper --data-dir DIR    # DIR holds the files

arXiv 1708.07120v3 explains the accuracy of super-convergence by flat minima, without a number. Here
flatness is measured: the largest eigenvalue of the Hessian of the training loss at the end, and the
same for relative changes of the weights, which does not depend on their scales (see
`superconv_ray.training.sharpness`). Both arms are 1cycle; `small_rate` has a tenth of the rate.

The curvature of cross-entropy falls with the loss itself: where every sample is classified with
certainty, nothing curves. A large rate learns faster, so that at equal steps it looks flat for that
reason alone. So budgets are an axis, and the arms are compared at equal training loss.
"""

from collections.abc import Mapping

import pandas as pd
from settings import BASE, ONE_CYCLE, Scale

from superconv_ray import Arm, Study, grid, iterations, main

BUDGETS = {"laptop": (80, 160, 320, 640, 1280), "paper": (10_000, 20_000, 40_000, 80_000)}


def study(scale: Scale = "laptop", seeds: int = 0) -> Study:
    """Return the study; the number of seeds is that of the scale if not given."""
    cycle = ONE_CYCLE[scale]
    return Study(
        name=f"paper_flat_minima_{scale}",
        question="Do large learning rates find flatter minima?",
        base=BASE[scale].changed(sharpness=True),
        sweep=grid(budget=tuple(map(iterations, BUDGETS[scale]))),
        arms={
            "one_cycle": Arm(**cycle),
            "small_rate": Arm(**{**cycle, "max_lr": cycle["max_lr"] / 10}),
        },
        seeds=seeds or (8 if scale == "laptop" else 3),
        tables=tables,
    )


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return both curvatures and the training loss of each arm at each budget."""
    from superconv_ray.analysis import arm_summary

    return {
        "largest eigenvalue of the Hessian": arm_summary(trials, ["steps"], "hessian_max"),
        "the same, for relative changes": arm_summary(trials, ["steps"], "hessian_max_relative"),
        "training loss": arm_summary(trials, ["steps"], "train_loss"),
    }


if __name__ == "__main__":
    main(study)
