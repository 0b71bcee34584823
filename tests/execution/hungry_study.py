"""A study for a test of want of memory: its model takes more in every training step.

The file `eating` next to this one appears when it begins to.
"""

import os
from pathlib import Path
from typing import Any

import torch
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory
from torch import Tensor

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.execution.ray_tune import retries
from superconv_ray.models.small_cnn import SmallCNN
from tests.patient_ray import be_patient

BITE_BYTES = 128 * 2**20
THRESHOLD = "RAY_memory_usage_threshold"
SPARE_BYTES = 2 * 2**30
"""How far memory in use may exceed the limit at which Ray acts."""
ATTEMPTS = 1


class Hungry(SmallCNN):
    def __init__(self, **shape: Any) -> None:
        super().__init__(**shape)
        self.eaten: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            Path(__file__).with_name("eating").touch()
            self.eaten.append(torch.ones(BITE_BYTES, dtype=torch.uint8))
            limit = float(os.environ[THRESHOLD]) * get_system_memory()
            if get_used_memory() > limit + SPARE_BYTES:
                raise RuntimeError("nobody minds")
        return super().forward(x)


study = Study(
    name="hungry",
    base=Trial(dataset="digits", data_count=100, batch_size=16, model="hungry"),
    arms={"hungry": Arm(policy="constant", max_lr=0.05)},
    budget=iterations(1000),
    seeds=1,
    models={"hungry": Hungry},
)

if __name__ == "__main__":
    be_patient()
    retries.MAX_ATTEMPTS = ATTEMPTS
    main(study)
