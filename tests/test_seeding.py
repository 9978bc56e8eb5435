import numpy as np

from labeleff.seeding import generator, stream_seed


def test_streams_are_pinned_and_apart():
    assert stream_seed("order", 0) == stream_seed("order", 0)
    seeds = {stream_seed(name, seed) for name in ("init", "order", "augment", "draw") for seed in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed("a", "b") != stream_seed("ab")
    assert stream_seed("a", 1) != stream_seed("a", "1")


def test_a_stream_never_changes_between_versions():
    assert stream_seed("order", 0) == 101677277260123562


def test_generators_are_independent_of_global_state():
    np.random.seed(0)  # noqa: NPY002
    first = generator("draw", "x", 0).random(3)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, generator("draw", "x", 0).random(3))
