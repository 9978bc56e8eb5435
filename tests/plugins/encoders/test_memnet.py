"""The memory network against a plain one written from its description."""

import pytest
import torch
from support import story_tasks
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.memnet import _LSTM, _to_the_right


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


@pytest.fixture
def network(task):
    return build_encoder(lookup.complete("encoder", "memnet", {}), 0, task.text)


def test_it_computes_what_the_keras_example_does(task, network):
    tokens = task.train.inputs[:16].long()
    flat = [[int(n) for row in story[:-1] for n in row if n] for story in tokens]
    width, asked = task.text.story_words, task.text.question_words
    story = torch.tensor([[0] * (width - len(words)) + words for words in flat])
    question = torch.stack([row[-1, :asked] for row in tokens])
    match = torch.softmax(torch.einsum("nsd,nqd->nsq", network.story[story], network.question[question]), 2)
    response = (match + network.answer[story]).permute(0, 2, 1)
    lstm = nn.LSTM(width + 64, 32, batch_first=True)
    lstm.load_state_dict(
        {
            "weight_ih_l0": network.lstm.kernel,
            "weight_hh_l0": network.lstm.recurrent,
            "bias_ih_l0": network.lstm.bias,
            "bias_hh_l0": torch.zeros(128),
        }
    )
    _, (state, _) = lstm(torch.cat((response, network.question[question]), 2))
    torch.testing.assert_close(network.eval()(tokens), state[0])


def test_it_starts_as_keras_does(network, task):
    for table in (network.story, network.answer, network.question):
        assert 0.04 < float(table.detach().abs().max()) <= 0.05
    recurrent = network.lstm.recurrent.detach().T
    torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(32), atol=1e-5, rtol=0)
    assert network.lstm.bias.tolist() == [0.0] * 32 + [1.0] * 32 + [0.0] * 64
    head = network.head(6, 0)
    assert head.out_features == 22, "every word and the padding"
    assert not head.bias.any()
    assert float(head.weight.detach().abs().max()) <= (6 / (32 + 22)) ** 0.5


def test_the_lstm_is_one_by_hand():
    lstm, values = _LSTM(5, 3), torch.randn(2, 4, 5)
    state = memory = torch.zeros(2, 3)
    for step in values.unbind(1):
        gates = step @ lstm.kernel.T + state @ lstm.recurrent.T + lstm.bias
        enter, forget, fresh, leave = gates.chunk(4, 1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * fresh.tanh()
        state = leave.sigmoid() * memory.tanh()
    torch.testing.assert_close(lstm(values), state)


def test_words_move_to_the_right_in_their_order():
    rows = torch.tensor([[3, 4, 0, 5, 0], [0, 0, 0, 0, 2]])
    assert _to_the_right(rows, 4).tolist() == [[0, 3, 4, 5], [0, 0, 0, 2]]
