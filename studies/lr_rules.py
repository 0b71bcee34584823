"""Which rule of reading an LR range test finds the max_lr that 1cycle does best at?

    python studies/lr_rules.py run --data-dir DIR           # Fashion-MNIST; DIR holds the files
    python studies/lr_rules.py run --dataset digits --batch-size 32

Full 1cycle trainings over a grid of max_lr, and range tests of the same data, model and length from
which every known rule suggests a rate. All are measured on the same labels, held out of the limited
ones, because a rate is chosen here.
"""

from collections.abc import Mapping

import pandas as pd

from superconv_ray import Arm, Study, Trial, iterations, main


def tables(trials: pd.DataFrame, curves: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """What following each rule costs, and what the range tests show."""
    from superconv_ray.analysis.calibration import rule_costs
    from superconv_ray.analysis.range_test_tables import join_range_tests, range_test_table

    shown = ["labels", "seeds", "peak_accuracy", "peak_lr", "low", "high", "verdict", "advice"]
    return {
        "rules: how far from the best max_lr, and what that costs": rule_costs(trials, curves),
        "the range tests": range_test_table(join_range_tests(trials, curves))[shown],
    }


def study(
    dataset: str = "fashion_mnist",
    model: str = "small_cnn",
    data_fraction: float = 0.1,
    max_lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    highest: float = 10.0,
    steps: int = 300,
    batch_size: int = 64,
    seeds: int = 3,
) -> Study:
    """The study, at a size given by flags; `highest` is where the range tests end."""
    test = Arm(
        policy="range_test_exponential",
        max_lr=highest,
        start_lr=1e-4,
        momentum=0.95,
        min_momentum=0.85,
        eval_interval=max(1, steps // 100),
    )
    arms = {f"{max_lr:g}": Arm(policy="one_cycle", max_lr=max_lr) for max_lr in max_lrs}
    return Study(
        name=f"lr_rules_{dataset}_{model}",
        question="Which rule of reading a range test finds the best max_lr?",
        base=Trial(
            dataset=dataset,
            model=model,
            data_fraction=data_fraction,
            validation_fraction=0.2,
            batch_size=batch_size,
            weight_decay=1e-4,
            eval_interval=steps,
        ),
        arms={**arms, "range test": test},
        budget=iterations(steps),
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
