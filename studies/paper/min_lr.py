"""Does it matter whether 1cycle starts at a third or at a twentieth of max_lr?

    python studies/paper/min_lr.py run --scale laptop
    python studies/paper/min_lr.py run --scale paper --data-dir DIR    # DIR holds the files

arXiv 1803.09820 advises a minimum of max_lr / 3 or max_lr / 4, and of max_lr / 10 or max_lr / 20 if
there is only one cycle; it gives no accuracies. The paper scale is the cycle of
`headline.py`, to 3; so is the laptop scale, to 0.3.
"""

from settings import BASE, ONE_CYCLE, SHORT, Scale

from superconv_ray import Arm, Study, grid, iterations, main


def study(
    scale: Scale = "laptop", div_factors: tuple[float, ...] = (3, 10, 20), seeds: int = 10
) -> Study:
    """Return the study at the given ratios of max_lr to min_lr."""
    cycle = {name: value for name, value in ONE_CYCLE[scale].items() if name != "div_factor"}
    return Study(
        name=f"paper_min_lr_{scale}",
        question="Does it matter whether 1cycle starts at a third or a twentieth of max_lr?",
        base=BASE[scale],
        sweep=grid(div_factor=div_factors),
        arms={"one_cycle": Arm(**cycle)},
        budget=iterations(SHORT[scale]),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
