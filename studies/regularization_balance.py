"""Does the best weight decay fall as the learning rate grows?

    python studies/regularization_balance.py run
    python studies/regularization_balance.py run --dataset fashion_mnist --data-dir DIR --steps 1000

Smith & Topin (1708.07120, section 5) say that a large learning rate regularises by itself, so that
other regularisation must be reduced: weight decay and dropout are swept against max_lr, all with
the same seeds, subsets and iterations. Every point is a full 1cycle training, measured on labels
held out of the limited ones, because an optimum is chosen here.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Where the best weight decay and the best dropout lie, and whether they move with max_lr."""
    from superconv_ray.analysis.optimum import optimum, optimum_shift

    decay, value = "weight_decay", "validation_accuracy"
    return {
        "best weight decay at each max_lr, dropout averaged over; 95 % bootstrap over seeds": (
            optimum(trials, decay, ["max_lr"], value)
        ),
        "its shift with max_lr, in decades per decade": (
            optimum_shift(trials, decay, "max_lr", value)
        ),
        "best weight decay at each max_lr and dropout": (
            optimum(trials, decay, ["max_lr", "dropout"], value)
        ),
        "best dropout at each max_lr, weight decay averaged over": (
            optimum(trials, "dropout", ["max_lr"], value)
        ),
    }


def study(
    dataset: str = "digits",
    model: str = "small_cnn",
    data_fraction: float = 0.3,
    weight_decays: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2),
    dropouts: tuple[float, ...] = (0.0, 0.3),
    max_lrs: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0),
    steps: int = 300,
    batch_size: int = 32,
    seeds: int = 5,
) -> Study:
    """The study, at a size given by flags."""
    return Study(
        name=f"regularization_balance_{dataset}",
        question="Does the best weight decay fall as the learning rate grows?",
        base=Trial(
            dataset=dataset,
            model=model,
            data_fraction=data_fraction,
            validation_fraction=0.3,
            batch_size=batch_size,
            eval_interval=steps,
        ),
        sweep=grid(max_lr=max_lrs, dropout=dropouts, weight_decay=weight_decays),
        arms={"one_cycle": Arm(policy="one_cycle")},
        budget=iterations(steps),
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
