"""Which momentum suits 1cycle: which constant value, or one that falls while the rate rises?

    python studies/paper/momentum.py run --scale laptop
    python studies/paper/momentum.py run --scale paper --data-dir DIR    # DIR holds the files

Published test accuracies in % of ResNet-56 on CIFAR-10: constant momentum .80, .85, .90 and .95
give 92.1, 91.9, 92.4 and 90.7 in 10,000 iterations (table 6 of the ICLR submission of arXiv
1708.07120, one run each). Momentum from .95 to .8 and back gives 92.0±.2, a constant .9 91.4±.3, in
95 epochs (arXiv 1803.09820, section 4.3). Here all of them share the cycle of `headline.py`.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds. Test
accuracy in %, mean and 95 % interval; and constant .9 minus it, in points, paired:

    constant .80  96.7 [95.1, 97.8]   -1.3 [-2.5, -0.1]
    constant .85  96.5 [94.8, 97.6]   -1.1 [-2.5, +0.3]
    constant .90  95.4 [92.9, 97.0]
    constant .95  90.3 [87.8, 92.3]   +5.1 [+2.8, +7.4]
    .95 to .80    96.2 [94.2, 97.5]   -0.8 [-2.1, +0.5]

Constant .90 is not the best here: .80 is ahead of it, and .95 loses. Cyclical momentum cannot be
told from a constant .9.
"""

from settings import BASE, ONE_CYCLE, SHORT, Scale

from superconv_ray import Arm, Study, iterations, main

CONSTANT = (0.8, 0.85, 0.9, 0.95)


def study(scale: Scale = "laptop", seeds: int = 10) -> Study:
    """Return the study."""
    cycle = {name: value for name, value in ONE_CYCLE[scale].items() if "momentum" not in name}
    constant = {
        f"constant_{momentum}": Arm(**cycle, momentum=momentum, min_momentum=momentum)
        for momentum in CONSTANT
    }
    return Study(
        name=f"paper_momentum_{scale}",
        question="Which momentum suits 1cycle: which constant value, or one that falls and rises?",
        base=BASE[scale],
        arms={"cyclical": Arm(**cycle, momentum=0.95, min_momentum=0.8), **constant},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
