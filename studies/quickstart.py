"""Does 1cycle with a range-tested max_lr beat a step schedule when digit labels are few?

    python studies/quickstart.py run

The arms share seeds, subsets, initial weights, batch order, budget and BN settings. Their tuning
effort differs and is printed: 1cycle's max_lr costs range tests, while the step schedule starts
from a conventional rate. `limited_data.py` asks the same question with equal tuning, on
Fashion-MNIST or CIFAR.

Measured on 2026-11-27, two cores of an Intel Xeon (bf16), 5 seeds. 1cycle minus the step schedule,
in points of test accuracy, with its 95 % t interval; below it the same with max_lr read off a
linear range test from 0 to 3 in 100 steps, which reads rates that are several times too large:

    labels                        72               144               431             1,437
    exponential    -2.1 [-6.4, +2.3]  +0.6 [-0.1, 1.3]  +0.2 [-1.4, 1.8]  -0.1 [-0.9, 0.8]
    linear test    -4.8 [-8.0, -1.7]  -1.9 [-3.6, -.2]  -0.9 [-1.7, -.0]  -2.4 [-3.8, -.9]

The arms are level: every interval contains 0. A rate that is too large had made 1cycle the worse.
"""

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="quickstart",
    question="What does 1cycle gain over a step schedule as labels become scarce?",
    base=Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4),
    sweep=grid(data_fraction=(0.05, 0.1, 0.3, 1.0)),
    arms={
        "one_cycle": Arm(
            policy="one_cycle", max_lr=from_range_test(), momentum=0.95, min_momentum=0.85
        ),
        "piecewise": Arm(policy="piecewise", max_lr=0.1, momentum=0.9),
    },
    budget=iterations(300),
    seeds=5,
)

if __name__ == "__main__":
    main(study)
