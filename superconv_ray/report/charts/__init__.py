"""Charts as Altair objects, from frames of `superconv_ray.analysis`.

Needs the optional packages of ``pip install 'superconv_ray[report]'``. Functions take frames and,
if they show arms, the study's list of arms. Charts have no colors of text and background, which
`report.theme.config` adds. Accuracies are fractions in frames and percentages in charts. Missing
values, such as the interval of one seed, are not drawn.
"""

from superconv_ray.report.charts.bn_statistics import batch_norm
from superconv_ray.report.charts.comparing import accuracy, gaps
from superconv_ray.report.charts.minima import flatness
from superconv_ray.report.charts.rates import lr_rules, range_tests
from superconv_ray.report.charts.reaching import scaling, speedup
from superconv_ray.report.charts.running import hessian_free, learning_curves, schedules
from superconv_ray.report.charts.settings import heatmap, searched

__all__ = [
    "accuracy",
    "batch_norm",
    "flatness",
    "gaps",
    "heatmap",
    "hessian_free",
    "learning_curves",
    "lr_rules",
    "range_tests",
    "scaling",
    "schedules",
    "searched",
    "speedup",
]
