"""Over how wide a range of max_lr is 1cycle's accuracy flat?

    python studies/paper/max_lr.py run --scale laptop
    python studies/paper/max_lr.py run --scale paper --data-dir DIR    # DIR holds the files

Table 1 of the ICLR submission of arXiv 1708.07120, ResNet-56 on CIFAR-10, 10,000 iterations,
one run each:

    max_lr              1     1.5       2     2.5       3     3.5
    accuracy (%)     91.3    90.9    91.7    92.3    92.4    92.1

The laptop scale is as in `headline.py`, with rates from 0.1 to 10.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds. Points that
a rate loses to the best of the grid, 0.3, with 95 % intervals:

    max_lr                0.1                   1                   2                   3
    loss     0.6 [-0.8, +2.1]    2.6 [+0.7, +4.5]    4.8 [+2.4, +7.1]   7.5 [+5.0, +10.0]

Accuracy is not flat: it is within half a point of the best over a factor of 3 at most. At a rate of
10 nothing is learned.
"""

from settings import BASE, SHORT, Scale, one_cycle_without

from superconv_ray import Arm, Study, grid, iterations, main


def study(scale: Scale = "laptop", max_lrs: tuple[float, ...] = (), seeds: int = 10) -> Study:
    """Return the study; rates are those of the scale if none are given."""
    paper = scale == "paper"
    max_lrs = max_lrs or ((1, 1.5, 2, 2.5, 3, 3.5) if paper else (0.1, 0.3, 1, 2, 3, 10))
    return Study(
        name=f"paper_max_lr_{scale}",
        question="Over how wide a range of max_lr is 1cycle's accuracy flat?",
        base=BASE[scale],
        sweep=grid(max_lr=max_lrs),
        arms={"one_cycle": Arm(**one_cycle_without("max_lr", scale))},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
