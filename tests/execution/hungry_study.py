"""A study for a test of want of memory: its model takes more in every training step."""

from typing import Any

import torch
from torch import Tensor

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.execution.ray_tune import retries
from superconv_ray.models.small_cnn import SmallCNN
from tests.patient_ray import be_patient

BITE_BYTES = 128 * 2**20
MEAL_BYTES = 10 * 2**30
ATTEMPTS = 1


class Hungry(SmallCNN):
    def __init__(self, **shape: Any) -> None:
        super().__init__(**shape)
        self.eaten: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.eaten.append(torch.ones(BITE_BYTES, dtype=torch.uint8))
            if len(self.eaten) * BITE_BYTES >= MEAL_BYTES:
                raise RuntimeError("nobody minds")
        return super().forward(x)


study = Study(
    name="hungry",
    base=Trial(dataset="digits", data_count=100, batch_size=16, model="hungry"),
    arms={"hungry": Arm(policy="constant", max_lr=0.05)},
    budget=iterations(100),
    seeds=1,
    models={"hungry": Hungry},
)

if __name__ == "__main__":
    be_patient()
    retries.MAX_ATTEMPTS = ATTEMPTS
    main(study)
