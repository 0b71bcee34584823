"""Does a short 1cycle end where a much longer step schedule ends?

    python studies/quickstart.py run

Every schedule is stretched to each of three budgets, and only final accuracies are compared. The
step schedules differ in their rate: 0.01, as in published comparisons, and the conventional 0.1.

Measured on 2026-11-28, two cores of an Intel Xeon (bf16), 5 seeds. How many times fewer steps than
400 does 1cycle need for the accuracy that a step schedule ends with after 400? With that accuracy
in %; intervals are over seeds and test images, and all four hold together at 95 %:

    labels          over step_0.01          over step_0.1
       144  4.1 [1.1, inf] to 91.1  1.8 [0.0, inf] to 92.8
     1,437  4.4 [2.2, 5.1] to 95.1  1.1 [0.0, 4.1] to 98.7

1cycle is about four times as fast as the step schedule from the small rate, though five seeds do
not decide whether it is three times, nor whether the factor grows as labels become scarce. No such
gain is left over the schedule from 0.1, which ends within a point of 1cycle from 100 steps on. The
rate of the baseline makes the speed-up.
"""

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="quickstart",
    question="Does a short 1cycle end where a much longer step schedule ends?",
    base=Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4),
    sweep=grid(data_fraction=(0.1, 1.0), budget=[iterations(n) for n in (25, 100, 400)]),
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
