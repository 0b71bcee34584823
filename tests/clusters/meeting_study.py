"""A study for tests on several hosts: no trial goes on before as many hosts as expected have one.

The folder MEETING is where a test says how many (`expected`), and where a host that has a trial
leaves its name. Where there is no such folder, nothing waits. While it holds `slow`, trials take
seconds. A host that a test cuts off (`alone-NAME`) waits for nobody: its trial must end within the
slice of time that it began in, because nobody asks that host for another slice.
"""

import platform
import time
from pathlib import Path

from torch import Tensor

from superconv_ray import Arm, Study, Trial, iterations, main
from superconv_ray.models.small_cnn import SmallCNN

MEETING = Path("/shared/meeting")


def meet() -> None:
    """Wait for the others; be slow if the test says so."""
    if not MEETING.exists():
        return
    (MEETING / f"host-{platform.node()}").touch()
    if (MEETING / "slow").exists():
        time.sleep(0.1)
    if (MEETING / f"alone-{platform.node()}").exists():
        return
    while len(list(MEETING.glob("host-*"))) < int((MEETING / "expected").read_text()):
        time.sleep(0.1)


class Patient(SmallCNN):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2:  # not when it is tried
            meet()
        return super().forward(x)


study = Study(
    name="meeting",
    base=Trial(dataset="digits", data_count=100, batch_size=16, dropout=0.2, model="patient"),
    arms={policy: Arm(policy=policy, max_lr=0.1) for policy in ("constant", "linear")},
    budget=iterations(20),
    seeds=3,
    models={"patient": Patient},
)

if __name__ == "__main__":
    main(study)
