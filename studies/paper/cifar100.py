"""Does ResNet-56 on CIFAR-100 need a fraction of the epochs with 1cycle?

    python studies/paper/cifar100.py run --scale paper --data-dir DIR    # DIR holds CIFAR-100

The results table of arXiv 1708.07120v3. Published test accuracies in %, over 4 runs that differ in
batch size and initializer:

    epochs                    25         50        100        200        400
    1cycle, 0.1 to 0.5  65.4±0.2   66.4±0.6
    1cycle, 0.09 to 0.9                       69.0±0.4
    step from 0.005                           60.8±0.4   61.6±0.9   61.0±0.2

The rate of the step schedule is small, and not tuned. Where it drops is not published; here it
drops by ten at 1/2 and 3/4. There is no laptop scale: it needs GPUs, and CIFAR-100.
"""

from typing import Literal

from settings import CYCLE_V3, RESULTS_TABLE, TAIL_EPOCHS, in_epochs

from superconv_ray import Arm, Study, main


def study(
    scale: Literal["paper"] = "paper",
    budgets: tuple[int, ...] = (25, 50, 100, 200, 400),
    seeds: int = 4,
) -> Study:
    """Return the study; budgets are in epochs."""
    return Study(
        name=f"paper_cifar100_{scale}",
        question="Does ResNet-56 on CIFAR-100 need a fraction of the epochs with 1cycle?",
        base=RESULTS_TABLE.changed(dataset="cifar100", model="resnet56"),
        sweep=in_epochs(budgets, TAIL_EPOCHS),
        arms={
            "one_cycle": Arm(**CYCLE_V3, max_lr=0.5, div_factor=5),
            "step": Arm(policy="piecewise", max_lr=0.005, momentum=0.9),
            "one_cycle_0.9": Arm(**CYCLE_V3, max_lr=0.9, div_factor=10),
        },
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
