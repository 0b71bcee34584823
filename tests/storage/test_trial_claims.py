"""Which of several drivers on one store has a trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from superconv_ray.storage import lease as lease_module
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import lease, read_claim
from superconv_ray.storage.seal import write_json
from superconv_ray.storage.trial_claims import TrialClaims


@pytest.fixture(params=["", "memory://"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """On a disk, and where folders and times are unknown."""
    return Files(request.param + tmp_path.as_posix())


def test_a_trial_belongs_to_the_driver_that_claims_it_first(files: Files) -> None:
    with lease(files, "one") as held, lease(files, "two") as other:
        first, second = TrialClaims(held), TrialClaims(other)
        assert first.claim(["a", "b"]) == {}
        taken = second.claim(["b", "c"])
        assert taken.keys() == {"b"}
        assert taken["b"].startswith("study 'one' (process ")
        assert first.taken(["b", "c"]).keys() == {"c"}
        assert first.claim(["c"]).keys() == {"c"}


def test_a_claim_that_was_withdrawn_is_free_again(files: Files) -> None:
    with lease(files, "one") as held, lease(files, "two") as other, lease(files, "three") as third:
        TrialClaims(held).claim(["a"])
        TrialClaims(other).claim(["a"])
        assert TrialClaims(third).taken(["a"])["a"].startswith("study 'one'")


def test_claims_end_with_the_lease(files: Files) -> None:
    with lease(files, "two") as other:
        claims = TrialClaims(other)
        with lease(files, "one") as held:
            TrialClaims(held).claim(["a"])
            assert claims.taken(["a"])
        assert claims.claim(["a"]) == {}
    assert not files.tree("leases")


def test_claims_of_a_driver_elsewhere_that_died_do_not_hold_for_ever(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease(files, "one") as held, lease(files, "two") as other:
        claims = TrialClaims(other)
        TrialClaims(held).claim(["a"])
        claim = read_claim(files, held.claim)
        assert claim is not None
        dead = replace(claim, host="elsewhere")
        write_json(files, held.claim, vars(dead))
        assert claims.taken(["a"])
        monkeypatch.setattr(lease_module, "EXPIRY_SECONDS", -1.0)
        assert claims.taken(["a"]) == {}


def test_it_is_noticed_when_another_driver_was_there(files: Files) -> None:
    with lease(files, "two") as other:
        claims = TrialClaims(other)
        assert not claims.others_were_active()
        files.write("studies/two.json", b"{}")
        assert not claims.others_were_active()
        with lease(files, "one"):
            assert claims.others_were_active()
            assert not claims.others_were_active()
        assert claims.others_were_active()
        files.write("studies/three.json", b"{}")
        assert claims.others_were_active()
