"""The variational autoencoder: its decoder, its loss against plain Python, and what beta may not depend on."""

import math

import pytest
import torch
from support.short_pretrainings import ENCODER, SHORT, run, toy

from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import parameters
from labeleff.plugins.pretexts.vae import Autoencoder, decoded_side, decoder, parts, weights

LOSS = {"beta": 1.0, "rule": "image", "space": "rgb", "width": 0.125, "holdout": 0.2}


def example(count=6, side=8, dim=5):
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    return drawn(count, 3, side, side), drawn(count, 3, side, side), drawn(count, dim), drawn(count, dim)


def total(batch, rule="image", beta=1.0):
    error, divergence = parts(*batch)
    first, second = weights(rule, beta, len(batch[0]), batch[0][0].numel())
    return first * error.mean() + second * divergence.mean()


@pytest.mark.parametrize(("dim", "side", "count"), [(256, 32, 3_804_675), (256, 64, 3_935_747), (512, 64, 5_378_051)])
def test_code_and_decoder_have_the_reference_codes_parameters(dim, side, count):
    encoder = build_encoder(Spec(name="resnet9", options={"width": 0.0625, "dim": dim}), 0)
    assert parameters(Autoencoder(encoder, side, 1.0, 0)) - parameters(encoder) == count


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_the_decoder_doubles_up_to_the_side(side):
    assert decoder(6, side, 0.05)(torch.zeros(2, 6, 1, 1)).shape == (2, 3, side, side)


@pytest.mark.parametrize(("side", "decoded"), [(8, 8), (24, 16), (32, 32), (40, 32), (96, 64), (128, 64)])
def test_large_and_odd_images_are_decoded_smaller(side, decoded):
    assert decoded_side(side) == decoded


def test_too_small_images_are_an_error():
    with pytest.raises(PluginError, match="found images of 4 pixels a side, expected at least 8"):
        decoded_side(4)


def slow(decoded, target, mean, log_variance):
    """Both parts of every image, number by number."""
    errors, divergences = [], []
    for row in range(len(decoded)):
        pairs = zip(decoded[row].flatten().tolist(), target[row].flatten().tolist(), strict=True)
        errors.append(sum((a - b) ** 2 for a, b in pairs) / 2)
        codes = zip(mean[row].tolist(), log_variance[row].tolist(), strict=True)
        # log of the standard normal's deviation over the code's, plus the mean quadratic form, less a half
        divergences.append(sum(-v / 2 + (math.exp(v) + m * m) / 2 - 0.5 for m, v in codes))
    return errors, divergences


def test_the_parts_are_those_of_plain_python():
    batch = example()
    for found, expected in zip(parts(*batch), slow(*batch), strict=True):
        assert found.tolist() == pytest.approx(expected)


def test_the_divergence_is_torchs():
    from torch.distributions import Normal, kl_divergence

    _, _, mean, log_variance = batch = example()
    one = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), one).sum(1)
    torch.testing.assert_close(parts(*batch)[1], expected)


def test_the_reference_rule_is_a_mean_plus_a_weighted_sum():
    batch = example()
    expected = torch.nn.functional.mse_loss(*batch[:2]) + 1e-5 * sum(slow(*batch)[1])
    torch.testing.assert_close(total(batch, "reference"), expected)


def test_a_doubled_batch_has_the_same_loss_but_by_the_reference_rule():
    batch = example()
    twice = tuple(torch.cat((part, part)) for part in batch)
    torch.testing.assert_close(total(twice), total(batch))
    assert total(twice, "reference") > total(batch, "reference")


def test_the_order_of_a_batch_is_no_matter_and_beta_weighs_the_divergence():
    batch = example()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(total(tuple(part[order] for part in batch)), total(batch))
    slope = total(batch, beta=3.0) - total(batch, beta=2.0)
    torch.testing.assert_close(slope, parts(*batch)[1].mean())
    perfect = batch[0], batch[0], torch.zeros(6, 5), torch.zeros(6, 5)
    assert total(perfect) == 0


def test_beta_of_the_reference_grows_with_the_batch_and_the_image():
    def effective(batch, side):
        first, second = weights("reference", 1.0, batch, 3 * side**2)
        return second / first

    assert effective(512, 32) == pytest.approx(7.86, abs=0.01)
    assert effective(512, 64) == pytest.approx(31.5, abs=0.1)
    assert effective(1024, 32) == pytest.approx(2 * effective(512, 32))


def test_held_out_loss_falls_and_repeats_itself():
    first = run("vae", toy(), LOSS)
    history = first.training.history
    assert history[-1]["heldout_loss"] < 0.8 * history[0]["heldout_loss"]
    assert set(history[0]) == {"step", "epoch", "loss", "heldout_loss", "heldout_error", "heldout_divergence"}
    last = history[-1]
    assert last["heldout_loss"] == pytest.approx(last["heldout_error"] + last["heldout_divergence"])
    assert last["heldout_divergence"] > 1, "the code must say something about its image"
    short, again, other = (run("vae", toy(), LOSS, seed=seed, budget=SHORT) for seed in (0, 0, 1))
    assert again.metrics == short.metrics
    assert other.metrics != short.metrics


@pytest.mark.parametrize("change", [{"space": "lab"}, {"rule": "reference"}])
def test_other_targets_and_rules_learn_too(change):
    history = run("vae", toy(), {**LOSS, **change}).training.history
    assert history[-1]["heldout_loss"] < 0.9 * history[0]["heldout_loss"]


def test_the_encoder_has_no_more_weights_than_before():
    encoder = build_encoder(ENCODER, 0)
    run("vae", toy(), LOSS, encoder=encoder)
    assert list(encoder.state_dict()) == list(build_encoder(ENCODER, 0).state_dict())
