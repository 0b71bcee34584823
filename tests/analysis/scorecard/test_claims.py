from pathlib import Path

from superconv_ray.analysis.scorecard.claims import CLAIMS
from superconv_ray.analysis.scorecard.judges import JUDGES

ROOT = Path(__file__).parents[3]


def test_all_claims_are_listed_once() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) == 30


def test_every_claim_has_a_judge_and_a_study() -> None:
    assert set(JUDGES) == {claim.id for claim in CLAIMS}
    assert [claim.id for claim in CLAIMS if not (ROOT / claim.file).is_file()] == []
