"""Does training loss rise while test loss falls, as the learning rate of a range test grows?

    python studies/paper/regularization_by_lr.py run --scale laptop
    python studies/paper/regularization_by_lr.py run --scale paper --data-dir DIR

Figure 4 of arXiv 1708.07120v3 takes this as the sign that a large rate regularizes. Published for
ResNet-56 on CIFAR-10, as the rate grows from 0 to 2: training loss .061 to .178, test loss .616 to
.400. Those losses are the ends of the part of the test in which the network has learned; here the
change is measured from a quarter of the ramp to its end. The laptop scale has 300 labels of digits,
which the network fits at small rates, so that there is something to regularize.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 8 seeds, along the
ramp, with 95 % intervals: training loss +0.19 [-0.07, +0.45], test loss +0.10 [-3.12, +3.32]. It
is undecided. In some runs training loss falls to 0 along the ramp and test loss below 0.1. In
others test loss jumps, because the averages of batch norm lag behind.
"""

from settings import BASE, DIGITS, Scale

from superconv_ray import Arm, Study, iterations, main


def study(scale: Scale = "laptop", steps: int = 0, seeds: int = 0) -> Study:
    """Return the study; length and seeds are those of the scale if not given."""
    laptop = scale == "laptop"
    steps = steps or (1_500 if laptop else 100_000)
    if laptop:
        base = DIGITS.changed(data_count=300, weight_decay=0.0)
    else:
        base = BASE["paper"].changed(bn_momentum_steps=None)
    return Study(
        name=f"paper_regularization_by_lr_{scale}",
        question="Does training loss rise while test loss falls, as the rate grows?",
        base=base.changed(eval_interval=max(1, steps // 50), momentum=0.9),
        arms={"ramp": Arm(policy="range_test_linear", max_lr=2.0)},
        budget=iterations(steps),
        seeds=seeds or (8 if laptop else 3),
    )


if __name__ == "__main__":
    main(study)
