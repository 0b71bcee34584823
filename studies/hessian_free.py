"""Does a large cyclical learning rate lead to regions where a large learning rate fits?

    python studies/hessian_free.py run

arXiv 1708.07120v3 estimates which learning rate the curvature allows from the path of the weights
alone (eq. 8, see `superconv_ray.training.hessian_free`). For ResNet-56 at a constant rate of 0.1,
the estimate spikes to about 3 and falls to 0.2. With a cycle it stays between 2 and 6 and ends near
0.5. This study repeats that for ResNet-20 on digits, with a third arm that separates the effect of
the cycle from that of its rate. Momentum is 0.9 for all arms. It is part of the path, so estimates
can be compared between arms, but not with 1 / curvature.

Measured on digits, all 1,437 labels, 300 steps of 64, 2026-11-22, two cores of an AMD EPYC (bf16);
9 minutes on a machine busy with other work, 369 s of training. Smoothed estimate, mean over 3 seeds
and their range:

    step   constant_0.1        constant_1          triangular          rate of triangular
      15   0.27 [0.23, 0.29]   8.83 [7.58, 9.86]   0.31 [0.28, 0.35]         0.18
      75   0.31 [0.30, 0.33]   7.02 [6.66, 7.46]   0.95 [0.85, 1.02]         0.54
     150   0.45 [0.38, 0.56]   8.20 [7.38, 9.15]   2.02 [1.94, 2.12]         0.99
     225   0.57 [0.56, 0.59]   5.61 [4.59, 6.80]   2.71 [2.34, 3.14]         0.56
     300   0.69 [0.60, 0.77]   4.18 [2.92, 4.83]   1.98 [1.71, 2.48]         0.11

    test accuracy: constant_0.1 98.3 %, constant_1 42.2 % (re-estimated 61.0 %), triangular 98.7 %

With a cycle the estimate does stay high. At a rate near 0.55 it is 3 times larger on the way down
than on the way up, and at the end, back at a rate of 0.1, it is above that of a constant 0.1. The
latter does not spike and fall here. It grows slowly while the training loss falls to 0.01. A high
estimate alone is no sign of a good region: it is highest at a constant rate of 1, where little is
learned, and reaches that height within 8 steps. Much of it follows the rate itself.

This code makes the table::

    store = open_store("results")
    trials = store.trials("hessian_free_digits_resnet20")
    curves = store.curves().merge(trials[["trial_id", "arm"]], on="trial_id")
    curves.groupby(["step", "arm"]).hessian_free_lr_smoothed.agg(["mean", "min", "max"])
"""

from superconv_ray import Arm, Study, Trial, iterations, main


def study(
    dataset: str = "digits",
    model: str = "resnet20",
    steps: int = 300,
    batch_size: int = 64,
    interval: int = 5,
    seeds: int = 3,
) -> Study:
    """Return the study at a size given by flags."""
    return Study(
        name=f"hessian_free_{dataset}_{model}",
        question="Does a large cyclical rate lead to regions where a large rate fits?",
        base=Trial(
            dataset=dataset,
            model=model,
            batch_size=batch_size,
            weight_decay=1e-4,
            momentum=0.9,
            hessian_free_interval=interval,
        ),
        arms={
            "constant_0.1": Arm(policy="constant", max_lr=0.1),
            "constant_1": Arm(policy="constant", max_lr=1.0),
            "triangular": Arm(policy="triangular", max_lr=1.0, div_factor=10),
        },
        budget=iterations(steps),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
