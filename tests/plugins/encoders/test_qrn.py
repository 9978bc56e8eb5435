"""The query-reduction network: its recurrence against a slow version."""

import pytest
import torch
from support import story_tasks

from labeleff.catalogue import lookup
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.qrn import _Scan


def build(task, **options):
    return build_encoder(lookup.complete("encoder", "qrn", {"width": 16, "gates": 4, **options}), 0, task.text)


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


@pytest.mark.parametrize("back", [False, True])
def test_the_scan_is_the_recurrence_and_so_is_its_gradient(back):
    keep = torch.rand(5, 2, 3, dtype=torch.double, requires_grad=True)
    fresh = torch.randn(5, 2, 3, dtype=torch.double, requires_grad=True)
    state, states = torch.zeros(2, 3, dtype=torch.double), [None] * 5
    for t in reversed(range(5)) if back else range(5):
        state = states[t] = keep[t] * state + fresh[t]
    torch.testing.assert_close(_Scan.apply(keep, fresh, back), torch.stack(states))
    assert torch.autograd.gradcheck(lambda a, b: _Scan.apply(a, b, back), (keep, fresh))


def test_shared_layers_have_the_weights_of_one(task):
    one, three = build(task, layers=1, shared=True), build(task, layers=3, shared=True)
    assert sum(p.numel() for p in one.parameters()) == sum(p.numel() for p in three.parameters())


def test_gates_must_divide_the_width(task):
    with pytest.raises(StudyError, match="width 16 is no multiple of gates 5"):
        build(task, gates=5)
