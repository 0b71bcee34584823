"""A study for tests on clusters: every training step takes a while and leaves a line.

In the file `steps` next to this one: node, process, and the number of the step in that process's
run of the trial. Where a file `awake` is, steps take no time and leave no line.
"""

import os
import time
from pathlib import Path

from torch import Tensor

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.models.small_cnn import SmallCNN

HERE = Path(__file__).parent
STEP_SECONDS = 0.4


class Steady(SmallCNN):
    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2 and not (HERE / "awake").exists():
            import ray

            self.steps += 1
            node = ray.get_runtime_context().get_node_id()
            with (HERE / "steps").open("a") as file:
                file.write(f"{node} {os.getpid()} {self.steps}\n")
            time.sleep(STEP_SECONDS)
        return super().forward(x)


study = Study(
    name="steady",
    base=Trial(dataset="digits", data_count=100, batch_size=16, dropout=0.2, model="steady"),
    arms={
        "one_cycle": Arm(policy="one_cycle", max_lr=0.05),
        "constant": Arm(policy="constant", max_lr=0.02),
    },
    budget=iterations(60),
    seeds=4,
    models={"steady": Steady},
)

if __name__ == "__main__":
    main(study)
