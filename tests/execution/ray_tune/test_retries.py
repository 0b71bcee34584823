"""When a trial whose worker was lost is started again, and when it is given up."""

from __future__ import annotations

from superconv_ray.execution.ray_tune.retries import MAX_ATTEMPTS, MAX_LOST_NODES, Retries

NODE_DIED = "The actor died because its node has died. Node Id: 7c24"
PROCESS_DIED = "The actor is dead because its worker process has died. End of file."


def test_a_trial_whose_workers_die_is_given_up_after_some_attempts() -> None:
    retries = Retries()
    decisions = [retries.lost("a", f"{PROCESS_DIED} {k}") for k in range(MAX_ATTEMPTS)]
    assert [d.start_again for d in decisions] == [*(MAX_ATTEMPTS - 1) * [True], False]
    assert all(d.trial_to_blame for d in decisions)
    assert decisions[0].cause.startswith("its worker's process ended")
    assert decisions[-1].cause.startswith(
        "given up: 4 workers died at the trial: its worker's process ended"
    )
    assert decisions[-1].reasons == tuple(f"{PROCESS_DIED} {k}" for k in range(MAX_ATTEMPTS))


def test_lost_nodes_do_not_count_as_attempts() -> None:
    retries = Retries()
    for _ in range(MAX_ATTEMPTS - 1):
        assert retries.lost("a", PROCESS_DIED).start_again
    for _ in range(MAX_ATTEMPTS):
        decision = retries.lost("a", NODE_DIED)
        assert decision.start_again
        assert not decision.trial_to_blame
    assert not retries.lost("a", PROCESS_DIED).start_again


def test_a_trial_under_which_every_node_is_lost_is_given_up_in_the_end() -> None:
    retries = Retries()
    decisions = [retries.lost("a", NODE_DIED) for _ in range(MAX_LOST_NODES)]
    assert [d.start_again for d in decisions] == [*(MAX_LOST_NODES - 1) * [True], False]
    assert decisions[-1].cause == (
        "given up: 0 workers died at the trial, and 20 nodes were lost: its node was lost"
    )
    assert decisions[-1].reasons == (NODE_DIED,)


def test_trials_are_counted_separately_and_forgotten_when_they_end() -> None:
    retries = Retries()
    for _ in range(MAX_ATTEMPTS - 1):
        retries.lost("a", PROCESS_DIED)
    assert retries.lost("b", PROCESS_DIED).start_again
    retries.forget("a")
    assert retries.lost("a", PROCESS_DIED).start_again
