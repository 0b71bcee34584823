from pathlib import Path

from superconv_ray.analysis.scorecard.claims import CLAIMS, IMAGENET
from superconv_ray.analysis.scorecard.judges import JUDGES

ROOT = Path(__file__).parents[3]


def test_all_claims_are_listed_once() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) == 30


def test_every_judge_belongs_to_a_claim() -> None:
    assert set(JUDGES) <= {claim.id for claim in CLAIMS}


def test_every_claim_that_the_built_in_data_can_test_has_a_study_and_a_judge() -> None:
    runnable = [claim for claim in CLAIMS if claim.needs != IMAGENET]
    assert [claim.id for claim in runnable if not (ROOT / claim.file).is_file()] == []
    assert {claim.id for claim in runnable} <= set(JUDGES)
