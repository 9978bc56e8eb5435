"""Lightness against colour: losses against plain Python, memories, and no shortcut but what the image shows."""

import math

import pytest
import torch
import torch.nn.functional as F
from support.short_pretrainings import ENCODER, SHORT, run, toy, unlabelled
from support.slow_losses import slow_info_nce

from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts import cmc
from labeleff.plugins.pretexts.contrastive import Memories, Memory, memory_loss
from labeleff.study.cell import Augment, Budget
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.images import ResidentImages, ResidentPairs

OPTIONS = {"holdout": 0.2}
WITH_MEMORY = {**OPTIONS, "negatives": "memory", "k": 64}


def vectors(count=6, dim=5, seed=0):
    drawn = torch.randn(2, count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(drawn, dim=2).unbind(0)


def slow_scores(first, second, temperature):
    return [[sum(a * b for a, b in zip(u, v, strict=True)) / temperature for v in second] for u in first]


def test_within_a_batch_it_is_the_plain_python_one():
    light, colour = vectors()
    samples = torch.tensor([0, 1, 2, 1, 4, 5])
    scores = slow_scores(light.tolist(), colour.tolist(), 0.2)
    counts = [[i == j or samples[i] != samples[j] for j in range(6)] for i in range(6)]
    there = slow_info_nce(scores, counts, range(6))
    back = slow_info_nce([list(column) for column in zip(*scores, strict=True)], counts, range(6))
    loss, correct = cmc.within(light, colour, samples, 0.2)
    assert float(loss) == pytest.approx(there + back)
    assert 0 <= float(correct) <= 6


def test_both_views_count_alike_and_the_order_is_no_matter():
    light, colour = vectors()
    samples = torch.arange(6)
    expected = cmc.within(light, colour, samples, 0.2)[0]
    torch.testing.assert_close(cmc.within(colour, light, samples, 0.2)[0], expected)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(cmc.within(light[order], colour[order], samples[order], 0.2)[0], expected)


def test_the_temperature_is_a_scale_of_scores():
    light, colour = vectors()
    samples = torch.arange(6)
    hot = cmc.within(light, colour, samples, 1e6)[0]
    assert float(hot) == pytest.approx(2 * math.log(6), abs=1e-4)
    torch.testing.assert_close(
        cmc.within(light, colour, samples, 0.1)[0], cmc.within(10 * light, colour, samples, 1.0)[0]
    )


def test_against_a_memory_it_is_the_plain_python_one():
    light, _ = vectors()
    bank = F.normalize(torch.randn(20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)), dim=1)
    samples, drawn = torch.arange(6) + 3, torch.tensor([0, 4, 4, 12, 19, 7, 3])
    loss, _ = memory_loss(light, bank, samples, drawn, 0.3)
    losses = []
    for row, own in zip(light.tolist(), samples.tolist(), strict=True):
        [scores] = slow_scores([row], bank[[own, *(k for k in drawn.tolist() if k != own)]].tolist(), 0.3)
        losses.append(-math.log(math.exp(scores[0]) / sum(map(math.exp, scores))))
    assert float(loss) == pytest.approx(sum(losses) / 6)


def test_the_own_image_is_never_a_negative():
    """Whatever is remembered of a row's own image, drawn or not, its share in the denominator is one."""
    light, _ = vectors()
    bank = F.normalize(torch.randn(6, 5, dtype=torch.float64), dim=1)
    samples = torch.arange(6)
    all_drawn = memory_loss(light, bank, samples, torch.arange(6).repeat(3), 0.3)[0]
    scores = torch.tensor(slow_scores(light.tolist(), bank.tolist(), 0.3), dtype=torch.float64)
    own, rest = scores.diag(), scores.masked_fill(torch.eye(6, dtype=torch.bool), -math.inf).logsumexp(1) + math.log(3)
    torch.testing.assert_close(all_drawn, F.softplus(rest - own).mean())


def test_a_memory_begins_random_near_unit_length_and_moves():
    memory = Memory(400, 64, 0)
    assert memory.vectors.abs().max() <= (3 / 64) ** 0.5
    assert float(memory.vectors.square().sum(1).mean()) == pytest.approx(1, abs=0.02)
    before = memory.vectors.clone()
    new = F.normalize(torch.randn(3, 64), dim=1)
    memory.update(torch.tensor([5, 9, 5]), new, 0.4)
    expected = F.normalize(0.4 * before[[5, 9]] + 0.6 * new[:2], dim=1)
    torch.testing.assert_close(memory.vectors[[5, 9]], expected)
    rest = [i for i in range(400) if i not in {5, 9}]
    assert torch.equal(memory.vectors[rest], before[rest])


def test_what_is_remembered_has_no_gradient_and_is_looked_up_in_the_other_view():
    images = torch.zeros(40, 8, 8, 3, dtype=torch.uint8)
    data = unlabelled(images)
    batch = ResidentPairs(ResidentImages(images, data.normalisation, torch.device("cpu"))).batch(
        torch.arange(6), torch.zeros(6, dtype=torch.int64)
    )
    light, colour = (v.float().requires_grad_() for v in vectors())
    banks = Memory(40, 5, 1), Memory(40, 5, 2)
    before = [bank.vectors.clone() for bank in banks]
    memories = Memories(*banks, k=30, momentum=0.5, temperature=0.2, seed=7)
    loss, _ = memories.loss(light, colour, batch)
    [gradient] = torch.autograd.grad(loss, light, retain_graph=True)
    assert gradient.abs().sum() > 0
    for bank, old, new in zip(banks, before, (light, colour), strict=True):
        assert not bank.vectors.requires_grad
        torch.testing.assert_close(bank.vectors[:6], F.normalize(0.5 * old[:6] + 0.5 * new.detach(), dim=1))
    changed, _ = Memories(Memory(40, 5, 9), Memory(40, 5, 2), 30, 0.5, 0.2, 7).loss(light, colour, batch)
    [same] = torch.autograd.grad(changed, light)
    torch.testing.assert_close(same, gradient)  # lightness doesn't meet the memory of lightness


@pytest.mark.parametrize("options", [OPTIONS, WITH_MEMORY, {**OPTIONS, "head": "none"}])
def test_held_out_loss_falls_and_repeats_itself(options):
    learned = run("cmc", toy(), options, encoder=build_encoder(ENCODER, 0, split=True))
    encoders = [build_encoder(ENCODER, 0, split=True) for _ in range(3)]
    first, again, other = (
        run("cmc", toy(), options, seed=s, encoder=e, budget=SHORT) for s, e in zip((0, 0, 1), encoders, strict=True)
    )
    history = learned.training.history
    assert history[-1]["heldout_loss"] < history[0]["heldout_loss"] - 0.15
    assert history[-1]["heldout_loss"] < 2 * math.log(32)  # what telling nothing apart gives
    assert learned.metrics["heldout_accuracy"] > 1.5 / 32
    assert state_sha256(encoders[0]) == state_sha256(encoders[1])
    assert again.metrics == first.metrics
    assert other.metrics != first.metrics


def test_no_memory_is_in_what_is_kept():
    encoder = build_encoder(ENCODER, 0, split=True)
    run("cmc", toy(), WITH_MEMORY, encoder=encoder, budget=SHORT)
    fresh = build_encoder(ENCODER, 0, split=True)
    assert {k: v.shape for k, v in encoder.state_dict().items()} == {k: v.shape for k, v in fresh.state_dict().items()}


def test_the_record_has_both_sizes():
    metrics = run("cmc", toy(), OPTIONS, budget=Budget(lr=0.01, batch=16, steps={"min": 2, "max": 2})).metrics
    plain = sum(p.numel() for p in build_encoder(ENCODER, 0).parameters())
    assert metrics["plain_parameters"] == plain
    assert metrics["parameters"] == sum(p.numel() for p in build_encoder(ENCODER, 0, split=True).parameters())


def test_a_plain_encoder_is_an_error():
    with pytest.raises(PluginError, match="cmc trains a pair of encoders, found ResNet9"):
        run("cmc", toy(), OPTIONS, encoder=build_encoder(ENCODER, 0))


def srgb(light, a, b):
    """uint8 sRGB of L*, a*, b* numbers inside the gamut, by the inverse of the definition."""
    y = (light + 16) / 116
    xyz = [
        w * (t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29))
        for w, t in zip((0.95047, 1, 1.08883), (y + a / 500, y, y - b / 200), strict=True)
    ]
    rows = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
    linear = [sum(m * v for m, v in zip(row, xyz, strict=True)) for row in rows]
    levels = [12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in linear]
    assert all(0 <= v <= 1 for v in levels)
    return [round(255 * v) for v in levels]


def flat(count=600, side=16):
    """Images of one colour each, whose lightness and colour are drawn independently."""
    drawn = torch.rand(count, 3, generator=torch.Generator().manual_seed(0)).tolist()
    colours = [srgb(50 + 20 * u, 30 * v - 15, 30 * w - 15) for u, v, w in drawn]
    return torch.tensor(colours, dtype=torch.uint8)[:, None, None].expand(count, side, side, 3).contiguous()


@pytest.mark.parametrize("augment", [Augment(crop=4, flip=True, cutout=6), Augment(crop=4, flip=True, jitter=0.3)])
def test_nothing_but_the_image_tells_which_views_belong_together(augment):
    """Where lightness says nothing of colour, neither the place of padding or erased square nor the jitter does."""
    budget = Budget(optimizer="adam", lr=3e-3, batch=32, steps={"min": 150, "max": 150}, augment=augment)
    result = run("cmc", unlabelled(flat()), {"holdout": 0.5}, budget=budget)
    assert result.metrics["accuracy"] < 3 / 32
    assert abs(result.metrics["heldout_accuracy"] - 1 / 32) < 0.04
    assert result.training.history[-1]["loss"] > 2 * math.log(32) - 0.4


def test_the_halves_see_lightness_and_colour_alone():
    encoder = build_encoder(ENCODER, 0, split=True)
    data = unlabelled(flat(40))
    encoder.lab.measure(data.images, data.normalisation)
    [batch] = ResidentImages(data.images, data.normalisation, torch.device("cpu")).plain_batches(40)
    light, colour = encoder.views(batch.images)
    assert (light.shape[1], colour.shape[1]) == (1, 2)
    grey = torch.randint(0, 256, (20, 8, 8, 1), dtype=torch.uint8).expand(20, 8, 8, 3)
    [batch] = ResidentImages(grey, data.normalisation, torch.device("cpu")).plain_batches(20)
    light, colour = encoder.views(batch.images)
    assert light.std() > 0.5
    assert colour.std((0, 2, 3)).max() < 0.01
