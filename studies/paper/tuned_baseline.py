"""Does 1cycle beat schedules that decay to zero, if all are tuned alike?

    python studies/paper/tuned_baseline.py run --scale laptop
    python studies/paper/tuned_baseline.py run --scale paper --data-dir DIR    # DIR holds the files

The published baselines are single runs of a step schedule at a rate that was not tuned. Under a
tight budget, linear decay and 1cycle come out close in others' work (1905.04753, 2107.04197), but
not at equal tuning over the number of labels. Here each seed of each arm searches its own max_lr,
with as many trials, on labels held out of its limited ones; the noise of the searches is therefore
in the intervals.

Measured at the laptop scale on 2026-11-27, one core of an Intel Xeon (bf16), 8 minutes of training
on a machine busy with other work. Test accuracy in % over 5 seeds, and linear decay minus 1cycle
in points, with 95 % intervals:

    labels          one_cycle             linear               gap
       150  92.9 [90.8, 94.5]  93.3 [92.3, 94.1]  +0.4 [-1.0, 1.8]
     1,400  98.3 [97.6, 98.8]  98.7 [98.1, 99.0]  +0.4 [-0.1, 0.9]
      both                                        +0.4 [-0.2, 1.0]

A tuned linear decay is as good as a tuned 1cycle, or better: it loses less than half a point.
"""

from settings import BASE, DIGITS, Scale

from superconv_ray import Arm, Study, Tuning, grid, iterations, main, tuned

RATE = tuned(0.03, 3)


def study(
    scale: Scale = "laptop",
    labels: tuple[int, ...] = (),
    steps: int = 0,
    trials: int = 0,
    seeds: int = 5,
) -> Study:
    """Return the study; labels, iterations and searches are those of the scale if not given."""
    laptop = scale == "laptop"
    labels = labels or ((150, 1_400) if laptop else (5_000, 10_000, 20_000, 50_000))
    steps = steps or (200 if laptop else 10_000)
    base = DIGITS if laptop else BASE["paper"]
    return Study(
        name=f"paper_tuned_baseline_{scale}",
        question="Does 1cycle beat schedules that decay to zero, if all are tuned alike?",
        base=base.changed(eval_interval=steps),
        sweep=grid(data_count=labels),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=RATE, momentum=0.95, min_momentum=0.85),
            "linear": Arm(policy="linear", max_lr=RATE, momentum=0.9),
        },
        budget=iterations(steps),
        seeds=seeds,
        tuning=Tuning(trials=trials or (5 if laptop else 16)),
    )


if __name__ == "__main__":
    main(study)
