"""Batches of stories: word dropout is drawn by counters, and images' augmentations are refused."""

import pytest
import torch
from support import story_tasks

from labeleff.errors import PluginError
from labeleff.study.cell import Augment
from labeleff.training.stories import ResidentStories
from labeleff.training.vocabulary import PAD, UNKNOWN

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokens():
    return story_tasks.task().train.inputs[:200]


def test_without_dropout_stories_are_as_they_are(tokens):
    [batch] = ResidentStories(tokens, CPU).plain_batches(500)
    assert torch.equal(batch.images, tokens.long())
    assert batch.samples.tolist() == list(range(200))


def test_dropout_replaces_that_share_of_words_and_no_padding(tokens):
    resident = ResidentStories(tokens, CPU, augment=Augment(words=0.2), seed=3)
    samples = torch.arange(200)
    batch = resident.batch(samples, torch.zeros_like(samples)).images
    there = tokens != PAD
    assert (batch[~there] == PAD).all()
    assert float((batch[there] == UNKNOWN).float().mean()) == pytest.approx(0.2, abs=0.02)
    assert torch.equal(batch[there & (batch != UNKNOWN)], tokens.long()[there & (batch != UNKNOWN)])


def test_a_draw_depends_on_seed_epoch_and_story_alone(tokens):
    resident = ResidentStories(tokens, CPU, augment=Augment(words=0.2), seed=3)
    samples = torch.arange(200)
    whole = resident.batch(samples, torch.ones_like(samples)).images
    part = resident.batch(samples[50:60].flip(0), torch.ones(10, dtype=torch.int64)).images
    assert torch.equal(part.flip(0), whole[50:60])
    assert not torch.equal(whole, resident.batch(samples, torch.zeros_like(samples)).images)


def test_other_augmentations_are_refused(tokens):
    with pytest.raises(PluginError, match="`words` alone"):
        ResidentStories(tokens, CPU, augment=Augment(flip=True))
