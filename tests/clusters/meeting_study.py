"""A study for tests on several hosts: no trial goes on before as many hosts as expected have one.

The folder MEETING is where a test says how many (`expected`) and whether to be slow (`slow`),
and where a host that has a trial leaves its name. Where there is no such folder nothing waits. Slow
trials wait for nobody: they must end within the slice of time that they were begun in, as a host
that is cut off is not asked for another.
"""

import platform
import time
from pathlib import Path

from torch import Tensor

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.models.small_cnn import SmallCNN

MEETING = Path("/shared/meeting")


def meet() -> None:
    """Wait for the others; be slow if that is asked for."""
    if MEETING.exists():
        (MEETING / f"host-{platform.node()}").touch()
        if (MEETING / "slow").exists():
            time.sleep(0.06)
            return
        while len(list(MEETING.glob("host-*"))) < int((MEETING / "expected").read_text()):
            time.sleep(0.1)


class Patient(SmallCNN):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            meet()
        return super().forward(x)


study = Study(
    name="meeting",
    base=Trial(dataset="digits", data_count=100, batch_size=16, dropout=0.2, model="patient"),
    arms={policy: Arm(policy=policy, max_lr=0.1) for policy in ("constant", "linear")},
    budget=iterations(40),
    seeds=3,
    models={"patient": Patient},
)

if __name__ == "__main__":
    main(study)
