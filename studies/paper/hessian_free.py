"""Does a large cyclical learning rate lead to regions where a large learning rate fits?

    python studies/paper/hessian_free.py run --scale laptop
    python studies/paper/hessian_free.py run --scale paper --data-dir DIR    # DIR holds the files

arXiv 1708.07120v3 estimates which learning rate the curvature allows from the path of the weights
alone (eq. 8, see `superconv_ray.training.hessian_free`). For ResNet-56 on CIFAR-10 at a constant
rate of 0.1, the estimate spikes to about 3 and falls to 0.2. With a cycle it stays between 2 and 6
and ends near 0.5. This study adds a third arm, which separates the effect of the cycle from that of
its rate. Momentum is 0.9 for all arms. It is part of the path, so estimates can be compared between
arms, but not with 1 / curvature. The laptop scale has ResNet-8 on all 1,437 labels of digits.
"""

from settings import BASE, DIGITS, Scale

from superconv_ray import Arm, Study, iterations, main


def study(scale: Scale = "laptop", steps: int = 0, interval: int = 5, seeds: int = 4) -> Study:
    """Return the study; the number of iterations is that of the scale if not given."""
    laptop = scale == "laptop"
    high = 1.0 if laptop else 3.0
    base = DIGITS.changed(model="resnet8") if laptop else BASE["paper"]
    return Study(
        name=f"paper_hessian_free_{scale}",
        question="Does a large cyclical rate lead to regions where a large rate fits?",
        base=base.changed(momentum=0.9, hessian_free_interval=interval),
        arms={
            "one_cycle": Arm(policy="triangular", max_lr=high, div_factor=10 * high),
            "constant_0.1": Arm(policy="constant", max_lr=0.1),
            "constant_high": Arm(policy="constant", max_lr=high),
        },
        budget=iterations(steps or (300 if laptop else 10_000)),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
