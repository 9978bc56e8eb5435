"""Precision by measurement."""

import pytest

from labeleff.training.kernels import bf16


@pytest.fixture
def clock(monkeypatch):
    """A processor of known speed: seconds per type, whatever is computed."""

    def set_to(**seconds):
        now = [0.0]

        def work(dtype):
            def run():
                now[0] += seconds[str(dtype).removeprefix("torch.")]

            return run

        monkeypatch.setattr(bf16.time, "perf_counter", lambda: now[0])
        return work

    return set_to


@pytest.mark.parametrize(("seconds", "gains"), [(0.25, True), (0.79, True), (0.9, False), (1.8, False)])
def test_bfloat16_gains_only_where_it_is_clearly_faster(clock, seconds, gains):
    assert bf16._gains(clock(float32=1.0, bfloat16=seconds)) is gains


def test_all_measurements_run():
    for work in (bf16._product, bf16._convolution, bf16._layers):
        assert bf16._gains(work) in (True, False)


def test_without_instructions_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(bf16, "has_instructions", lambda: False)
    monkeypatch.setattr(bf16, "_gains", lambda _: pytest.fail("measured"))
    assert not bf16.products_gain.__wrapped__()
    assert not bf16.convolutions_gain.__wrapped__()
    assert not bf16.transformers_gain.__wrapped__()
