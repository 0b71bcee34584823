"""Does a wide ResNet reach in 50 epochs of 1cycle what 800 of a step schedule give?

    python studies/paper/wide_resnet.py run --scale paper --data-dir DIR    # DIR holds CIFAR-10

The results table of arXiv 1708.07120v3. Published test accuracies in %, over 4 runs that differ in
batch size and initializer:

    epochs                    25         50        100        200        400        800
    1cycle, 0.1 to 0.5  87.3±0.8
    1cycle, 0.1 to 1               91.3±0.1   91.9±0.2
    step from 0.1                             86.7±0.6   88.7±0.6   89.8±0.4   90.3±1.0

Where the step schedule drops is not published; here it drops by ten at 1/2 and 3/4. There is no
laptop scale: it needs GPUs, and CIFAR-10.
"""

from typing import Literal

from settings import CYCLE_V3, RESULTS_TABLE, TAIL_EPOCHS, in_epochs

from superconv_ray import Arm, Study, main


def study(
    scale: Literal["paper"] = "paper",
    budgets: tuple[int, ...] = (25, 50, 100, 200, 400, 800),
    seeds: int = 4,
) -> Study:
    """Return the study; budgets are in epochs."""
    return Study(
        name=f"paper_wide_resnet_{scale}",
        question="Does a wide ResNet reach in 50 epochs of 1cycle what 800 of steps give?",
        base=RESULTS_TABLE.changed(dataset="cifar10", model="wide32"),
        sweep=in_epochs(budgets, TAIL_EPOCHS),
        arms={
            "one_cycle": Arm(**CYCLE_V3, max_lr=1.0, div_factor=10),
            "step": Arm(policy="piecewise", max_lr=0.1, momentum=0.9),
            "one_cycle_0.5": Arm(**CYCLE_V3, max_lr=0.5, div_factor=5),
        },
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
