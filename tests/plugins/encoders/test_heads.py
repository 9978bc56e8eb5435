import pytest
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.heads import LastMap, MapHead, evaluate, on_grid
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols.partial import PartlyFrozen
from labeleff.training.device import Compute


def slow_resize(image, grid):
    """Bilinear, corners not aligned: cell centres in the coordinates of the image's pixels, clamped at the edge."""
    side = image.shape[0]
    places = [min(max((i + 0.5) * side / grid - 0.5, 0.0), side - 1.0) for i in range(grid)]
    result = torch.empty(grid, grid)
    for r, y in enumerate(places):
        for c, x in enumerate(places):
            top, left = int(y), int(x)
            down, right = min(top + 1, side - 1), min(left + 1, side - 1)
            a, b = y - top, x - left
            above = (1 - b) * image[top, left] + b * image[top, right]
            below = (1 - b) * image[down, left] + b * image[down, right]
            result[r, c] = (1 - a) * above + a * below
    return result


@pytest.mark.parametrize("side", [2, 4, 6])
def test_a_head_scores_every_position_and_resizes(side):
    head, maps = MapHead(5, 3, 4, seed=1), torch.randn(2, 5, side, side)
    scores = head(maps)
    weight, bias = head.layer.weight, head.layer.bias
    for i in range(2):
        for k in range(3):
            plain = sum(weight[k, d] * maps[i, d] for d in range(5)) + bias[k]
            torch.testing.assert_close(scores[i, k], slow_resize(plain.detach(), 4), rtol=1e-4, atol=1e-5)


def test_resizing_and_a_linear_layer_commute():
    head, maps = MapHead(5, 3, 8, seed=1), torch.randn(2, 5, 4, 4)
    features = on_grid(maps, 8).permute(0, 2, 3, 1)
    torch.testing.assert_close(head(maps), head.layer(features).permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_a_map_of_the_grids_size_stays_as_it_is():
    maps = torch.randn(1, 2, 4, 4)
    assert on_grid(maps, 4) is maps


def test_weights_follow_the_seed_and_the_bias_may_be_given():
    one, again, other = (MapHead(5, 1, 4, seed=seed, start=0.7) for seed in (1, 1, 2))
    assert torch.equal(one.layer.weight, again.layer.weight)
    assert not torch.equal(one.layer.weight, other.layer.weight)
    assert one.layer.bias.tolist() == pytest.approx([0.7])


def test_the_last_map_of_an_encoder_reaches_the_head():
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), 0).eval()
    images = torch.randn(2, 3, 16, 16)
    model = torch.nn.Sequential(LastMap(encoder), MapHead(16, 3, 4, seed=0))
    with torch.inference_mode():
        torch.testing.assert_close(LastMap(encoder)(images).mean((2, 3)), encoder(images), rtol=1e-4, atol=1e-5)
        assert model(images).shape == (2, 3, 4, 4)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
@pytest.mark.parametrize("dense", [False, True])
def test_a_head_is_evaluated_in_float32_at_least(precision, dense):
    compute = Compute(torch.device("cpu"), precision)
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 8}), 0)
    body, head = (LastMap(encoder), MapHead(8, 3, 4, seed=1)) if dense else (encoder, linear_head(8, 3, 1))
    model = compute.place(nn.Sequential(body, head)).eval()
    images = compute.arrange(torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        with compute.autocast():
            features = body(images)
            whole = model(images).float()
        found = evaluate(model, images, compute)
        assert torch.equal(found, head(features.double() if precision == "fp64" else features.float()).float())
        assert torch.equal(evaluate(body, images, compute), features.float())
        assert torch.equal(evaluate(PartlyFrozen(model, [body]), images, compute), found)
    assert torch.equal(found, whole) == (precision != "bf16")


def test_scores_that_bfloat16_does_not_tell_apart_are_no_ties():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.001]]))
        scores = evaluate(model, torch.ones(1, 3), Compute(torch.device("cpu"), "bf16"))
    assert scores.argmax(1).tolist() == [1]
