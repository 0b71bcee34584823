"""Charts as Altair objects, each from frames that `superconv_ray.analysis` gives.

Needs the optional packages of ``pip install 'superconv_ray[report]'``. Every function takes frames,
where it shows arms the study's list of them, and gives a chart without colours of text and
background: `report.theme.config` has these. Accuracies are fractions in frames, and drawn in
percent. What is NaN, such as the interval of one seed, is left out.
"""

from superconv_ray.report.charts.comparing import accuracy, budget_curves, gaps
from superconv_ray.report.charts.rates import range_tests
from superconv_ray.report.charts.running import learning_curves, schedules

__all__ = ["accuracy", "budget_curves", "gaps", "learning_curves", "range_tests", "schedules"]
