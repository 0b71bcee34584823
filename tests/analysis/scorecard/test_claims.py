from superconv_ray.analysis.scorecard.claims import CLAIMS
from superconv_ray.analysis.scorecard.judges import JUDGES


def test_all_claims_are_listed_once() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) == 30


def test_every_judge_belongs_to_a_claim() -> None:
    assert set(JUDGES) <= {claim.id for claim in CLAIMS}
