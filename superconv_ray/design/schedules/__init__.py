"""Learning rate and momentum, together, as pure functions of the step.

Every policy is called as `policy(step, steps=..., max_lr=..., **its_own_settings)`, where `steps`
is the number of optimizer steps of the whole run and `0 <= step < steps`, and returns the `Rates`
to use *in* that step. Lengths inside a run are fractions of it, so a policy means the same at any
budget. Policies keep no state between calls: a resumed run asks for its next step.

Settings are not validated here; `Trial` validates them once, rather than at every step.

Sources: Smith & Topin, arXiv 1708.07120 (1cycle); Smith, arXiv 1506.01186 (cyclical learning rates
and the range test); Smith, arXiv 1803.09820 (cyclical momentum). Caffe's iteration is our step.
"""

from superconv_ray.design.schedules.own import check_run, own_rates
from superconv_ray.design.schedules.policies import (
    CYCLES,
    POLICIES,
    RANGE_TESTS,
    REQUIRED,
    fields_of_policies,
    parameters,
    unused_fields,
)
from superconv_ray.design.schedules.rates import Policy, Rates

__all__ = [
    "CYCLES",
    "POLICIES",
    "RANGE_TESTS",
    "REQUIRED",
    "Policy",
    "Rates",
    "check_run",
    "fields_of_policies",
    "own_rates",
    "parameters",
    "unused_fields",
]
