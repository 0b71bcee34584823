"""Does 1cycle with a range-tested max_lr beat a step schedule when digit labels are few?

    python studies/quickstart.py run

The arms share seeds, subsets, initial weights, batch order, budget and BN settings. Their tuning
effort differs and is printed: 1cycle's max_lr costs range tests, while the step schedule starts
from a conventional rate. `limited_data.py` asks the same question with equal tuning, on
Fashion-MNIST or CIFAR.
"""

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="quickstart",
    question="What does 1cycle gain over a step schedule as labels become scarce?",
    base=Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4),
    sweep=grid(data_fraction=(0.05, 0.1, 0.3, 1.0)),
    arms={
        "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test()),
        "piecewise": Arm(policy="piecewise", max_lr=0.1),
    },
    budget=iterations(300),
    seeds=5,
)

if __name__ == "__main__":
    main(study)
