"""What the literature claims about super-convergence, as data: one `Claim` for each statement.

Sources: Smith & Topin, arXiv 1708.07120 ("v3" is its third version, "ICLR" its submission of 2018);
Smith, arXiv 1803.09820; and the raw logs that the first author published with the code
(lnsmith54/super-convergence and hyperParam1). Accuracies are test accuracies in %. Their networks
were trained once per setting unless a deviation is given; in v3 it is over four runs that differ in
batch size and initializer, so it is no plain deviation over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scale = Literal["paper", "laptop"]
SCALES: tuple[Scale, ...] = ("paper", "laptop")
"""Sizes of every study, the published one first; a laptop's ends within an hour on two cores."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the literature that a study can test.

    Attributes:
        id: Short name.
        says: The statement, in words.
        published: The published numbers, or why there are none.
        source: Where they are published.
        study: Stem of the file in ``studies/paper/`` whose study tests it.
        needs: What is missing where it was not run; empty if a run on two CPU cores is all.
    """

    id: str
    says: str
    published: str
    source: str
    study: str
    needs: str = ""

    @property
    def file(self) -> str:
        """The study's file in the repository."""
        return f"studies/paper/{self.study}.py"

    def study_name(self, scale: Scale) -> str:
        """Name of the study in a store; the file gives it this name."""
        return f"paper_{self.study}_{scale}"


CIFAR = "a GPU, and CIFAR-10"
CIFAR_100 = "a GPU, and CIFAR-100"
IMAGENET = "several GPUs, and ImageNet"

CLAIMS = (
    Claim(
        id="headline",
        says="1cycle is more accurate than a step schedule in an eighth of its iterations",
        published="ResNet-56, CIFAR-10: 92.4 after 10k iterations, step 91.2 after 80k "
        "(raw log: 90.3)",
        source="v3, figure 1",
        study="headline",
    ),
    Claim(
        id="range_plateau",
        says="in a range test, accuracy stays high up to unusually large rates",
        published="ResNet-56, CIFAR-10, 5k iterations: 81.6 at rate 1.2, 78.4 at 3",
        source="v3, figure 2b",
        study="range_tests",
    ),
    Claim(
        id="range_negative",
        says="where there is no super-convergence, the range test peaks early and collapses",
        published="bottleneck ResNet and ResNeXt: 43 to 52 near rate 0.4, then a collapse",
        source="ICLR and raw logs",
        study="range_tests",
    ),
    Claim(
        id="range_predicts",
        says="a range test tells whether super-convergence is possible",
        published="no number: the two claims above, seen together",
        source="v3",
        study="range_tests",
    ),
    Claim(
        id="max_lr",
        says="accuracy is flat over a wide range of max_lr",
        published="max_lr 1, 1.5, 2, 2.5, 3, 3.5: 91.3, 90.9, 91.7, 92.3, 92.4, 92.1",
        source="ICLR, table 1",
        study="max_lr",
    ),
    Claim(
        id="min_lr",
        says="a minimum of max_lr / 3 to max_lr / 20 does",
        published="no numbers: advice",
        source="1803.09820",
        study="min_lr",
    ),
    Claim(
        id="step_size",
        says="the cycle may be short",
        published="2k, 4k, 6k, 8k, 10k, 20k iterations: 89.7, 91.1, 92.1, 91.7, 92.4, 92.7; "
        "step 91.2 after 80k. The average of batch norm varies with the length",
        source="ICLR, table 1",
        study="step_size",
    ),
    Claim(
        id="tail",
        says="a tail orders of magnitude below the minimum rate adds accuracy",
        published="no numbers: advice",
        source="1803.09820",
        study="tail",
    ),
    Claim(
        id="cyclical_momentum",
        says="momentum that falls and rises beats a constant one",
        published=".95 to .8: 92.0±.2; constant .9: 91.4±.3 after 95 epochs",
        source="1803.09820, section 4.3",
        study="momentum",
    ),
    Claim(
        id="momentum_value",
        says="of the constant momenta .80, .85, .90 and .95, .90 is best",
        published=".80, .85, .90, .95: 92.1, 91.9, 92.4, 90.7",
        source="ICLR, table 6",
        study="momentum",
    ),
    Claim(
        id="limited_data",
        says="the gain over the step schedule grows as labels become scarce",
        published="50k, 40k, 30k, 20k, 10k labels: gain 1.2, 2.0, 3.9, 5.2, 9.2 "
        "(raw logs: 2.1, 0.7, 3.2, 25.6, 9.4)",
        source="v3 and ICLR, table 1",
        study="limited_data",
    ),
    Claim(
        id="limited_data_bn",
        says="(critique) stale batch-norm averages explain the baseline's loss at few labels",
        published="raw log at 10k labels: train near 100, test 10 to 19 for long",
        source="raw logs of table 1",
        study="limited_data",
    ),
    Claim(
        id="depth",
        says="the gain is larger for shallow networks",
        published="ResNet-20: 90.4, step 88.6; ResNet-110: 92.1, step 91.0",
        source="ICLR",
        study="depth",
    ),
    Claim(
        id="batch_size",
        says="larger batches serve super-convergence better",
        published="256, 512, 1000, 1536 at 10k iterations: 89.5, 91.7, 92.4, 92.1. At equal "
        "iterations larger batches see more samples",
        source="ICLR, table 5",
        study="batch_size",
    ),
    Claim(
        id="generalization_gap",
        says="the generalization gap does not depend on the batch size",
        published="no numbers: a figure",
        source="v3, figure 5b",
        study="batch_size",
    ),
    Claim(
        id="weight_decay",
        says="the best weight decay falls as max_lr grows",
        published="at max_lr 3: 1e-3 diverges, 1e-4 92.4, 1e-5 88.3, 1e-6 87.3; DenseNet 1e-6 "
        "at max_lr 4",
        source="raw logs; 1803.09820, section 4.4",
        study="weight_decay",
    ),
    Claim(
        id="dropout",
        says="with a large rate, less dropout is best",
        published="dropout .2 with a large rate: a small gain",
        source="ICLR",
        study="dropout",
    ),
    Claim(
        id="regularization_by_lr",
        says="a large rate regularizes: training loss rises while test loss falls",
        published="rate 0 to 2: training loss .061 to .178, test loss .616 to .400",
        source="v3, figure 4",
        study="regularization_by_lr",
    ),
    Claim(
        id="hessian_free",
        says="with a cycle, the Hessian-free estimate of the rate stays above a constant rate's",
        published="cycle: 2 to 6, ends near .5; constant .1: a spike of 3, then .2",
        source="v3, equation 8",
        study="hessian_free",
    ),
    Claim(
        id="flat_minima",
        says="large rates find flatter minima",
        published="no numbers: an explanation",
        source="v3",
        study="flat_minima",
    ),
    Claim(
        id="optimizers",
        says="it happens with Nesterov, AdaDelta and AdaGrad, but not with Adam",
        published="step schedule: Nesterov 90.9, AdaDelta 71.0, AdaGrad 83.7, Adam 87.2",
        source="ICLR",
        study="optimizers",
    ),
    Claim(
        id="adamw",
        says="(later work) it happens with AdamW",
        published="wide ResNet-22, CIFAR-10: 94.0 after 30 epochs",
        source="fastai, 2018",
        study="optimizers",
    ),
    Claim(
        id="mnist_lenet",
        says="LeNet on MNIST: 12 epochs of 1cycle beat 85 of inv and of a step schedule",
        published="1cycle 99.25±.03; inv 99.03±.04; step 99.00±.04",
        source="v3, results table",
        study="mnist_lenet",
    ),
    Claim(
        id="cifar100",
        says="ResNet-56 on CIFAR-100: as the headline, with 100 classes",
        published="1cycle 65.4±.2 after 25 epochs, 69.0±.4 after 100; step 61.6±.9 after 200",
        source="v3, results table",
        study="cifar100",
        needs=CIFAR_100,
    ),
    Claim(
        id="wide_resnet",
        says="a wide ResNet: 50 epochs of 1cycle match 800 of a step schedule",
        published="91.3±.1 after 50 epochs; step 90.3±1.0 after 800",
        source="v3, results table",
        study="wide_resnet",
        needs=CIFAR,
    ),
    Claim(
        id="densenet",
        says="DenseNet: 150 epochs of 1cycle match 400 of a step schedule",
        published="92.8±.1 after 150 epochs, step 92.7±.2 after 400: equal within the "
        "deviations; 91.7±.3 after 50, step 91.3±.2 after 100",
        source="v3, results table",
        study="densenet",
        needs=CIFAR,
    ),
    Claim(
        id="imagenet_resnet50",
        says="ResNet-50 on ImageNet: 20 epochs of 1cycle beat 100 of a step schedule",
        published="top-1 66.4 at the end (67.3 at its best epoch); step 63.7",
        source="v3, figure 7; raw logs",
        study="imagenet",
        needs=IMAGENET,
    ),
    Claim(
        id="imagenet_inception",
        says="Inception-ResNet-v2 on ImageNet: 20 epochs of 1cycle beat a step schedule",
        published="top-1 73.8 and 73.9; step 68.0",
        source="v3, figure 7; raw logs",
        study="imagenet",
        needs=IMAGENET,
    ),
    Claim(
        id="lower_wd_imagenet",
        says="on ImageNet, less weight decay allows larger rates",
        published="weight decay 3e-6 instead of 1e-4",
        source="v3, figure 7; raw logs",
        study="imagenet",
        needs=IMAGENET,
    ),
    Claim(
        id="tuned_baseline",
        says="(critique) at equal budget and tuning, a decay to zero does as well as 1cycle",
        published="not published under control",
        source="budgeted training (1905.04753), REX (2107.04197)",
        study="tuned_baseline",
    ),
)
"""Every claim, in the order in which a scorecard lists them."""
