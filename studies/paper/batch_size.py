"""Do larger batches serve 1cycle better, and what do they do to the generalization gap?

    python studies/paper/batch_size.py run --scale laptop
    python studies/paper/batch_size.py run --scale laptop --step-ms 2 --step-ms 3 --step-ms 8
    python studies/paper/batch_size.py run --scale paper --data-dir DIR    # DIR holds the files

Table 5 of the ICLR submission of arXiv 1708.07120, ResNet-56 on CIFAR-10: batches of 256, 512, 1000
and 1536 end at 89.5, 91.7, 92.4 and 92.1 % after 10,000 iterations, in which larger batches see
more samples. arXiv 1803.09820 (section 4.2) compares them at nearly equal execution time. So the
budget is an axis here: equal iterations, equal epochs, and equal time. At the paper scale, equal
time is the published 48, 70, 95 and 116 epochs of batches of 128, 256, 512 and 1024. At the laptop
scale, as in `headline.py`, it follows from the time of a step (`--step-ms`, for batches of 8, 32
and 128), and max_lr grows as the square root of the batch. The generalization gap is train minus
test accuracy at the end (figure 5b of arXiv 1708.07120v3, without numbers).

An earlier study read max_lr off range tests at each batch size of 16, 64 and 256 (all 1,437 labels,
300 steps, 20 epochs or a second, 5 seeds; 2026-11-27, two cores of an Intel Xeon). The smallest
batch was a point behind at equal iterations and at equal time; no difference showed at equal
epochs, and the generalization gap had no trend.

Measured at the laptop scale on 2026-11-28, one core of an Intel Xeon (bf16), 10 seeds. A batch ten
times as large changes test accuracy by +7.3 points [+5.5, +9.1] at equal iterations, by -14.3
[-17.6, -11.1] at equal epochs, and by +2.7 [+1.6, +3.8] at equal time; and the generalization gap
by +0.1 [-1.2, +1.4], +2.5 [+0.4, +4.5] and +0.7 [-0.7, +2.2] points: whether it depends on the
batch is undecided, once other test images count.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from settings import BASE, ONE_CYCLE, SHORT, Scale

from superconv_ray import Arm, Study, epochs, iterations, main, paired, seconds

LAPTOP_MAX_LRS = {8: 0.15, 32: 0.3, 128: 0.6}
PUBLISHED_EPOCHS = {128: 48, 256: 70, 512: 95, 1024: 116}


def tables(trials: pd.DataFrame, _: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return the generalization gap per batch size and budget, and the time of a step."""
    from superconv_ray.analysis import generalization_gap, step_seconds

    milliseconds = pd.Series(step_seconds(trials)) * 1000
    return {
        "generalization gap: train minus test accuracy": generalization_gap(
            trials, ["batch_size", "steps"]
        ),
        "measured time of a step": milliseconds.rename_axis("batch_size").reset_index(name="ms"),
    }


def laptop_points(step_ms: Sequence[float]) -> list[dict[str, Any]]:
    """Return the points of the laptop's sweep: three budgets of each batch size."""
    if len(step_ms) != len(LAPTOP_MAX_LRS):
        raise ValueError(
            f"step_ms must hold one time for each of {len(LAPTOP_MAX_LRS)} batch sizes, "
            f"got {step_ms}"
        )
    times = dict(zip(LAPTOP_MAX_LRS, (ms / 1000 for ms in step_ms), strict=True))
    budgets = iterations(SHORT["laptop"]), epochs(6), seconds(0.3, times)
    return [
        {"budget": budget, "batch_size": size, "max_lr": max_lr}
        for budget in budgets
        for size, max_lr in LAPTOP_MAX_LRS.items()
    ]


def paper_points() -> list[dict[str, Any]]:
    """Return the points of the paper's sweep; each of its 8 GPUs normalizes its own share."""
    equal = [
        (budget, size)
        for budget in (iterations(SHORT["paper"]), epochs(100))
        for size in (256, 512, 1000, 1536)
    ]
    timed = [(epochs(count), size) for size, count in PUBLISHED_EPOCHS.items()]
    return [
        {"budget": budget, "batch_size": size, "ghost_batch_size": size // 8}
        for budget, size in [*equal, *timed]
    ]


def study(
    scale: Scale = "laptop", step_ms: tuple[float, ...] = (2.0, 2.6, 5.5), seeds: int = 10
) -> Study:
    """Return the study; the times of a step are those of one core of an Intel Xeon (bf16)."""
    points = paper_points() if scale == "paper" else laptop_points(step_ms)
    cycle = {name: value for name, value in ONE_CYCLE[scale].items() if name not in points[0]}
    return Study(
        name=f"paper_batch_size_{scale}",
        question="Do larger batches serve 1cycle better at equal iterations, epochs and time?",
        base=BASE[scale],
        sweep=paired(**{name: tuple(point[name] for point in points) for name in points[0]}),
        arms={"one_cycle": Arm(**cycle)},
        seeds=seeds,
        tables=tables,
    )


if __name__ == "__main__":
    main(study)
