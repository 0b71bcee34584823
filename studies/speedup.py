"""How many more steps does a step schedule need for the accuracy that 1cycle ends with?

    python studies/speedup.py run                             # digits; seeds, budgets are flags
    python studies/speedup.py run --dataset fashion_mnist --data-dir DIR --model resnet20

Budgets are an axis of the design and every schedule is stretched to each, so that only final
accuracies are compared, never one run's beginning with another's end. The factor is that of
`superconv_ray.analysis.speedup`: with ">" the step schedule does not get there within the budgets
that were run, with "<" it is better already with the smallest.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The speed-up at every budget of 1cycle."""
    from superconv_ray.analysis.speedup import speedup

    title = "speed-up: steps that piecewise needs for one_cycle's final accuracy / steps"
    return {title: speedup(trials, "one_cycle", "piecewise", ["data_count"])}


def study(
    dataset: str = "digits",
    model: str = "small_cnn",
    data_fraction: float = 1.0,
    budgets: tuple[int, ...] = (50, 100, 200, 400, 800),
    batch_size: int = 32,
    seeds: int = 5,
) -> Study:
    """The study, at a size given by flags."""
    return Study(
        name=f"speedup_{dataset}_{model}",
        question="How many more steps does a step schedule need for 1cycle's final accuracy?",
        base=Trial(
            dataset=dataset,
            model=model,
            data_fraction=data_fraction,
            batch_size=batch_size,
            weight_decay=1e-4,
        ),
        sweep=grid(budget=tuple(map(iterations, budgets))),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test()),
            "piecewise": Arm(policy="piecewise", max_lr=0.1),
        },
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
