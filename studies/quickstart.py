"""Does a short 1cycle end where a much longer step schedule ends?

    python studies/quickstart.py run

Every schedule is stretched to each of three budgets, and only final accuracies are compared: no
curve row is due before step 300. The step schedules differ in their rate: 0.01, as in published
comparisons, and the conventional 0.1.

Measured on 2026-11-28, two cores of an Intel Xeon (bf16), 5 seeds. How many times fewer steps than
300 does 1cycle need for the accuracy that a step schedule ends with after 300? With that accuracy
in %; intervals are over seeds and test images, and all four hold together at 95 %:

    labels          over step_0.01          over step_0.1
       144  4.3 [2.2, inf] to 88.9  1.6 [0.0, inf] to 92.7
     1,437  4.8 [4.4, 5.6] to 91.6  1.3 [0.0, 4.1] to 98.5

Over the step schedule from the small rate 1cycle super-converges with 1,437 labels: it needs at
least three times fewer steps. With 144 labels five seeds do not decide that, nor whether the factor
grows as labels become scarce. Over the schedule from 0.1, which ends within two points of 1cycle
after 300 steps, no gain is certain. Most of the speed-up is due to the baseline's small rate.
"""

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="quickstart",
    question="Does a short 1cycle end where a much longer step schedule ends?",
    base=Trial(
        dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4, eval_interval=300
    ),
    sweep=grid(data_fraction=(0.1, 1.0), budget=[iterations(n) for n in (25, 75, 300)]),
    arms={
        "one_cycle": Arm(
            policy="one_cycle", max_lr=from_range_test(), momentum=0.95, min_momentum=0.85
        ),
        "step_0.01": Arm(policy="piecewise", max_lr=0.01),
        "step_0.1": Arm(policy="piecewise", max_lr=0.1),
    },
    seeds=5,
)

if __name__ == "__main__":
    main(study)
