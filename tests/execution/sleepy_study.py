"""A study for tests that kill or interrupt it: one of its arms sleeps in every step.

Files next to this one are the signals: `asleep` appears when the arm is well into a trial; where
`awake` is, nothing sleeps, and the study takes a second; where `stuck` is, no step ends.
"""

import time
from pathlib import Path

from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, from_range_test, iterations, main

HERE = Path(__file__).parent


class Sleepy(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * height * width, classes)
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not (HERE / "awake").exists():
            self.steps += 1
            if self.steps == 4:
                (HERE / "asleep").touch()
            time.sleep(0.25)
            while (HERE / "stuck").exists():
                time.sleep(0.05)
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


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
