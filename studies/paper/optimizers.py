"""With which optimizers does 1cycle gain over a step schedule?

    python studies/paper/optimizers.py run --scale laptop
    python studies/paper/optimizers.py run --scale paper --data-dir DIR    # DIR holds the files

The ICLR submission of arXiv 1708.07120 finds super-convergence with Nesterov momentum, AdaDelta and
AdaGrad, and none with Adam. Under its step schedule ResNet-56 on CIFAR-10 ends at 90.9 % with
Nesterov, 87.2 with Adam, 83.7 with AdaGrad and 71.0 with AdaDelta; nothing was tuned. Later work
finds it with AdamW (fastai, 2018). Here both schedules are tuned alike, on held-out labels, for
each optimizer at one budget. At the laptop scale, that of `headline.py`, one search serves all
seeds, so that its noise is in no interval.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 3 seeds. 1cycle minus
the step schedule at equal budget and tuning, in points, with 95 % intervals: nesterov +0.6
[-0.9, +2.2], adadelta -1.8 [-4.6, +1.1], adagrad +0.2 [-2.3, +2.6], adam +0.1 [-4.1, +4.3], adamw
+0.7 [-0.4, +1.8]. All are undecided.
"""

from settings import BASE, SHORT, STEP, Scale

from superconv_ray import Arm, Study, Tuning, grid, iterations, main, tuned

MAX_LR = tuned(1e-3, 3)
"""From Adam's rates to those of SGD and AdaDelta."""


def study(
    scale: Scale = "laptop",
    optimizers: tuple[str, ...] = ("nesterov", "adam", "adagrad", "adadelta", "adamw"),
    trials: int = 0,
    seeds: int = 0,
) -> Study:
    """Return the study; the number of seeds and the search are those of the scale if not given."""
    paper = scale == "paper"
    step = {**STEP[scale], "max_lr": MAX_LR}
    return Study(
        name=f"paper_optimizers_{scale}",
        question="With which optimizers does 1cycle gain over a step schedule?",
        base=BASE[scale].changed(lr_placement=None),  # that of Caffe is for SGD
        sweep=grid(optimizer=optimizers),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=MAX_LR, momentum=0.95, min_momentum=0.85),
            "step": Arm(**step),
        },
        budget=iterations(SHORT[scale]),
        seeds=seeds or (5 if paper else 3),
        tuning=Tuning(trials=trials or (16 if paper else 5), per_seed=paper),
    )


if __name__ == "__main__":
    main(study)
