"""Is 1cycle's gain over a long step schedule larger for shallow networks?

    python studies/paper/depth.py run --scale laptop
    python studies/paper/depth.py run --scale paper --data-dir DIR    # DIR holds the files

Published test accuracies in % (ICLR submission of arXiv 1708.07120), one run each, of a cycle of
10,000 iterations and a step schedule of 80,000:

    network       cycle   step
    ResNet-20      90.4   88.6
    ResNet-56      92.4   91.2
    ResNet-110     92.1   91.0

Here all arms average the statistics of batch norm alike, and every arm runs with both budgets. The
laptop scale has ResNet-8 and ResNet-20 on digits.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 4 seeds. The short
1cycle minus the long step schedule, in points, with 95 % intervals: ResNet-8 -12.4 [-20.9, -3.9],
ResNet-20 -64.0 [-80.6, -47.4]. There is no gain at this size, and the deeper network loses more: so
few iterations hardly train it.
"""

from settings import BASE, DIGITS, Scale

from superconv_ray import Arm, Study, grid, iterations, main

PAPER_MODELS = ("resnet20", "resnet56", "resnet110")
LAPTOP_MODELS = ("resnet8", "resnet20")


def study(
    scale: Scale = "laptop",
    models: tuple[str, ...] = (),
    steps: tuple[int, ...] = (),
    seeds: int = 4,
) -> Study:
    """Return the study; networks and iterations are those of the scale if none are given."""
    laptop = scale == "laptop"
    models = models or (LAPTOP_MODELS if laptop else PAPER_MODELS)
    steps = steps or ((50, 400) if laptop else (10_000, 80_000))
    base = DIGITS.changed(data_count=500) if laptop else BASE["paper"]
    return Study(
        name=f"paper_depth_{scale}",
        question="Is 1cycle's gain over a long step schedule larger for shallow networks?",
        base=base.changed(momentum=0.9, eval_interval=min(steps)),
        sweep=grid(model=models, budget=tuple(iterations(count) for count in steps)),
        arms={
            "one_cycle": Arm(policy="triangular", max_lr=1.0 if laptop else 3.0, div_factor=30),
            "step": Arm(policy="piecewise", max_lr=0.35, milestones=(0.625, 0.875)),
        },
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
