"""A study for tests that kill or interrupt it: one of its arms falls asleep in its fourth step.

Files next to this one are the signals: `asleep` appears when the arm is well into a trial, in which
every further step then takes a second; where `awake` is, nothing sleeps, and the study takes a
second; where `stuck` is, no step ends.
"""

import time
from pathlib import Path

from torch import Tensor

from superconv_ray import Arm, Study, Trial, from_range_test, iterations, main
from superconv_ray.models.small_cnn import SmallCNN

HERE = Path(__file__).parent  # only batches of more than two are of a trial, see check_model


class Sleepy(SmallCNN):
    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2 and not (HERE / "awake").exists():
            self.steps += 1
            if self.steps >= 4:
                (HERE / "asleep").touch()
                time.sleep(1.0)  # over half a minute is left to whoever waits for `asleep`
            while (HERE / "stuck").exists():
                time.sleep(0.05)
        return super().forward(x)


study = Study(
    name="sleepy",
    base=Trial(dataset="digits", data_count=100, batch_size=16, dropout=0.2),
    arms={
        "awake": Arm(model="small_cnn", max_lr=from_range_test(steps=10)),
        "sleepy": Arm(model="sleepy", max_lr=0.1),
    },
    budget=iterations(40),
    seeds=2,
    models={"sleepy": Sleepy},
)

if __name__ == "__main__":
    main(study)
