"""Charts as Altair objects, each from frames that `superconv_ray.analysis` gives.

Needs the optional packages of ``pip install 'superconv_ray[report]'``. Every function takes frames,
where it shows arms the study's list of them, and gives a chart without colours of text and
background: `report.theme.config` has these. Accuracies are fractions in frames, and drawn in
percent. What is NaN, such as the interval of one seed, is left out.
"""

from superconv_ray.report.charts.comparing import accuracy, batch_size, budget_curves, gaps
from superconv_ray.report.charts.normalisation import batch_norm
from superconv_ray.report.charts.rates import lr_rules, range_tests
from superconv_ray.report.charts.reaching import scaling, speedup
from superconv_ray.report.charts.running import hessian_free, learning_curves, schedules
from superconv_ray.report.charts.settings import heatmap, searched

__all__ = [
    "accuracy",
    "batch_norm",
    "batch_size",
    "budget_curves",
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
