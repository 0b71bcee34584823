"""Does an LR range test tell for which networks super-convergence is possible?

    python studies/paper/range_tests.py run --scale laptop
    python studies/paper/range_tests.py run --scale paper --data-dir DIR    # DIR holds the files

Figure 2b of arXiv 1708.07120v3, and the raw logs of the networks without super-convergence. In
range tests from 0 to 3, ResNet-56 on CIFAR-10 peaks at 81.6 % at a rate of 1.2 and still has 78.4 %
at 3 (5,000 iterations; 20,000: 83.1 at 1.5, 78.5 at 3). A ResNet of bottleneck blocks and a ResNeXt
peak at 43 to 52 % near 0.4 and then collapse; no super-convergence was found with them. Here each
network also trains in full, with a short and a long budget, so that the tests can be compared with
what happens. Range tests are read on test labels, as published; no rate is taken from them. The
laptop scale is as in `headline.py`, with ResNet-8, and bottleneck and ResNeXt networks of 11
layers.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 3 seeds. Peak of the
range test, largest rate that keeps 95 % of it, and how many times fewer steps 1cycle needs for the
accuracy of the long step schedule:

    resnet8       plateau     89.1 % at 0.65    1.21    1.3 [0.0, inf]
    bottleneck11  too noisy   89.2 % at 1.07    1.16    1.2 [0.0, inf]
    resnext11     plateau     84.4 % at 0.97    1.44    1.3 [0.0, inf]

No network collapses early at this size, so that there is no negative case to predict.
"""

from collections.abc import Mapping

import pandas as pd
from settings import BASE, LONG, ONE_CYCLE, SHORT, STEP, Scale

from superconv_ray import Arm, Study, grid, iterations, main
from superconv_ray.models.bottleneck import BottleneckResNet


class Bottleneck11(BottleneckResNet):
    """ResNet of one bottleneck block per stage."""

    WIDTH, GROUPS = 16, 1

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        super().__init__(
            width=self.WIDTH,
            groups=self.GROUPS,
            blocks=1,
            input_shape=input_shape,
            classes=classes,
            dropout=dropout,
        )


class ResNeXt11(Bottleneck11):
    """The same with 32 groups."""

    WIDTH, GROUPS = 32, 32


def tables(trials: pd.DataFrame, curves: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return what the range tests show, and what the trainings do."""
    from superconv_ray.analysis import join_range_tests, range_test_table, time_to_accuracy

    tests = range_test_table(join_range_tests(trials, curves), ["model", "steps"])
    shown = ["peak_accuracy", "peak_lr", "plateau_high", "plateau_ratio", "collapse_lr", "verdict"]
    return {
        "range tests": tests[["model", "steps", *shown]],
        "fewer steps to the long step schedule's final accuracy": time_to_accuracy(
            trials, "one_cycle", "step", ["model"]
        ),
    }


def study(scale: Scale = "laptop", seeds: int = 3) -> Study:
    """Return the study."""
    paper = scale == "paper"
    test = Arm(
        policy="range_test_linear",
        max_lr=3.0,
        momentum=0.9,
        eval_interval=100 if paper else 5,
    )
    return Study(
        name=f"paper_range_tests_{scale}",
        question="Does an LR range test tell for which networks super-convergence is possible?",
        base=BASE[scale],
        sweep=grid(
            model=("resnet56", "bottleneck56", "resnext56")
            if paper
            else ("resnet8", "bottleneck11", "resnext11"),
            budget=(iterations(SHORT[scale]), iterations(LONG[scale] if paper else 320)),
        ),
        arms={
            "one_cycle": Arm(**ONE_CYCLE[scale]),
            "step": Arm(**STEP[scale]),
            "range_test": test,
        },
        seeds=seeds,
        models={} if paper else {"bottleneck11": Bottleneck11, "resnext11": ResNeXt11},
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
