"""What does 1cycle gain over a step schedule as labels become scarce?

    python studies/limited_data.py run --data-dir DIR           # this machine; DIR holds the files
    ray submit clusters/CLUSTER.yaml studies/limited_data.py run --store s3://bucket/superconv
    python studies/limited_data.py plan --dataset cifar10       # any flag of `study` below

The published comparison (ICLR submission of arXiv 1708.07120, table 1) gives its arms different BN
averaging and a single baseline run each. Here both arms share seeds, subsets, initial weights,
batch order, iterations and BN settings; 1cycle's max_lr is read off range tests on labels held out
of the limited ones. The baseline is a convention, not tuned: this is no fair fight yet, and the
effort is printed.
"""

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main


def study(
    dataset: str = "fashion_mnist",
    model: str = "resnet20",
    fractions: tuple[float, ...] = (0.005, 0.02, 0.1, 0.3, 1.0),
    steps: int = 2000,
    batch_size: int = 128,
    seeds: int = 5,
) -> Study:
    """The study, at a size given by flags."""
    return Study(
        name=f"limited_data_{dataset}_{model}",
        question="What does 1cycle gain over a step schedule as labels become scarce?",
        base=Trial(
            dataset=dataset,
            model=model,
            batch_size=batch_size,
            weight_decay=1e-4,
            augment="flip_crop" if dataset.startswith("cifar") else "flip",
        ),
        sweep=grid(data_fraction=fractions),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test()),
            "piecewise": Arm(policy="piecewise", max_lr=0.1),
        },
        budget=iterations(steps),
        seeds=seeds,
    )


if __name__ == "__main__":
    main(study)
