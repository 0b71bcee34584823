"""Does DenseNet reach in 150 epochs of 1cycle what 400 of a step schedule give?

    python studies/paper/densenet.py run --scale paper --data-dir DIR    # DIR holds CIFAR-10

The results table of arXiv 1708.07120v3. Published test accuracies in %, over 4 runs that differ in
batch size and initializer:

    epochs                    50         75        100        150        200        400
    1cycle, 0.1 to 4    91.7±0.3   92.1±0.2   92.2±0.2   92.8±0.1
    step from 0.1                             91.3±0.2              92.1±0.2   92.7±0.2

The arms differ in weight decay as published: 1e-6 for 1cycle, 1e-4 for the step schedule. Where the
latter drops is not published; here it drops by ten at 1/2 and 3/4. There is no laptop scale: it
needs GPUs, and CIFAR-10.
"""

from typing import Literal

from settings import RESULTS_TABLE, in_epochs

from superconv_ray import Arm, Study, main

TAIL_EPOCHS = {50: 6, 75: 7, 100: 10, 150: 10}


def study(
    scale: Literal["paper"] = "paper",
    budgets: tuple[int, ...] = (50, 75, 100, 150, 200, 400),
    seeds: int = 4,
) -> Study:
    """Return the study; budgets are in epochs."""
    return Study(
        name=f"paper_densenet_{scale}",
        question="Does DenseNet reach in 150 epochs of 1cycle what 400 of a step schedule give?",
        base=RESULTS_TABLE.changed(dataset="cifar10", model="densenet40", dropout=0.2),
        sweep=in_epochs(budgets, TAIL_EPOCHS),
        arms={
            "one_cycle": Arm(
                policy="one_cycle",
                max_lr=4.0,
                div_factor=40,
                momentum=0.9,
                min_momentum=0.85,
                weight_decay=1e-6,
            ),
            "step": Arm(policy="piecewise", max_lr=0.1, momentum=0.9),
        },
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
