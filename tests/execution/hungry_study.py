"""A study for a test of want of memory: its model takes more in every training step."""

import torch
from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.execution import ray_tune

BITE_BYTES = 128 * 2**20
MEAL_BYTES = 10 * 2**30
ATTEMPTS = 1


class Hungry(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * height * width, classes)
        self.eaten: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.eaten.append(torch.ones(BITE_BYTES, dtype=torch.uint8))
            if len(self.eaten) * BITE_BYTES >= MEAL_BYTES:
                raise RuntimeError("nobody minds")
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


study = Study(
    name="hungry",
    base=Trial(dataset="digits", data_count=100, batch_size=16, model="hungry"),
    arms={"hungry": Arm(policy="constant", max_lr=0.05)},
    budget=iterations(100),
    seeds=1,
    models={"hungry": Hungry},
)

if __name__ == "__main__":
    ray_tune.MAX_ATTEMPTS = ATTEMPTS
    main(study)
