"""Does it matter whether 1cycle starts at a third or at a twentieth of max_lr?

    python studies/paper/min_lr.py run --scale laptop
    python studies/paper/min_lr.py run --scale paper --data-dir DIR    # DIR holds the files

arXiv 1803.09820 advises a minimum of max_lr / 3 or max_lr / 4, and of max_lr / 10 or max_lr / 20 if
there is only one cycle; it gives no accuracies. The paper scale is the cycle of
`headline.py`, to 3; so is the laptop scale, to 0.3.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds. Test
accuracy in %, mean and 95 % interval; and minus that of max_lr / 20, in points, paired:

    max_lr / 3   93.8 [91.5, 95.5]    -1.9 [-3.5, -0.4]
    max_lr / 10  95.4 [93.2, 96.9]    -0.3 [-1.0, +0.4]
    max_lr / 20  95.7 [93.7, 97.1]

A third of max_lr is too much here, in a run of 80 iterations.
"""

from settings import BASE, SHORT, Scale, one_cycle_without

from superconv_ray import Arm, Study, grid, iterations, main


def study(
    scale: Scale = "laptop", div_factors: tuple[float, ...] = (3, 10, 20), seeds: int = 10
) -> Study:
    """Return the study at the given ratios of max_lr to min_lr."""
    return Study(
        name=f"paper_min_lr_{scale}",
        question="Does it matter whether 1cycle starts at a third or a twentieth of max_lr?",
        base=BASE[scale],
        sweep=grid(div_factor=div_factors),
        arms={"one_cycle": Arm(**one_cycle_without("div_factor", scale))},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
