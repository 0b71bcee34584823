from superconv_ray.data.seeds import derive_seed


def test_seeds_are_the_recorded_ones_in_every_process() -> None:
    assert derive_seed(0, "order", 0) == 1829853113658518448
    assert derive_seed(7, "augment", 123) == 6511578119733039261


def test_seeds_differ_by_seed_purpose_and_index_and_fit_63_bits() -> None:
    seeds = {
        derive_seed(s, p, i) for s in range(10) for p in ("order", "augment") for i in range(50)
    }
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62
