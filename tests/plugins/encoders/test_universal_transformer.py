"""The universal transformer over sentences: against torch's own layer, its start, and what it may see."""

import pytest
import torch
from support import story_tasks
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.universal_transformer import _Layer


def build(task, **options):
    given = {"width": 16, "heads": 2, **options}
    return build_encoder(lookup.complete("encoder", "universal_transformer", given), 0, task.text)


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


def test_a_layer_is_torchs_with_the_norm_first():
    ours = _Layer(16, 4, 0.0)
    theirs = nn.TransformerEncoderLayer(16, 4, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    parts = [ours.query, ours.key, ours.value]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    pairs = {"self_attn.out_proj": "out", "linear1": "wide", "linear2": "narrow", "norm1": "norm", "norm2": "norm_wide"}
    for name, own in pairs.items():
        theirs.get_submodule(name).load_state_dict(ours.get_submodule(own).state_dict())
    sentences, hidden = torch.randn(3, 5, 16), torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(ours(sentences, ~hidden[None, None]), theirs(sentences, src_mask=hidden))
    _, weights = theirs.self_attn(*[theirs.norm1(sentences)] * 3, attn_mask=hidden)
    torch.testing.assert_close(ours.weights(sentences, ~hidden[None, None]), weights)


def test_sentences_with_words_in_common_find_each_other_at_the_start():
    layer, words = _Layer(128, 4, 0.0), torch.randn(15, 128)
    sentences = torch.stack([words[i] + words[10 + i // 2] for i in range(10)])[None]  # neighbours share a word
    weights = layer.weights(sentences, ~torch.eye(10, dtype=torch.bool)[None, None])[0]
    assert weights[range(10), [i ^ 1 for i in range(10)]].mean() > 0.4  # of 9 others


def test_a_story_longer_than_the_tasks_is_read_and_one_without_sentences_too(task):
    reader = build(task).eval()
    tokens = task.train.inputs[-1:].long()
    told = tokens[:, tokens[0].any(1)]
    long = torch.cat((*[told[:, :-1]] * 2 * task.text.sentences, told), 1)
    assert torch.isfinite(reader(long)).all()
    torch.testing.assert_close(reader.attention(long).sum(1), torch.ones(1))
    empty = torch.cat((torch.zeros_like(told[:, :1]), told[:, -1:]), 1)
    assert torch.isfinite(reader(empty)).all()


def test_attention_is_the_share_of_every_sentence_and_of_no_empty_row(task):
    reader = build(task).eval()
    tokens = task.train.inputs[:8].long()
    weights = reader.attention(tokens)
    torch.testing.assert_close(weights.sum(1), torch.ones(8))
    assert torch.equal(weights > 0, tokens[:, :-1].any(2))


def test_more_layers_have_no_more_weights(task):
    one, three = build(task, layers=1), build(task, layers=3)
    assert sum(p.numel() for p in one.parameters()) == sum(p.numel() for p in three.parameters())


def test_heads_must_divide_the_width(task):
    with pytest.raises(StudyError, match="width 16 is no multiple of heads 3"):
        build(task, heads=3)
