"""Losses of two views against slow versions, their symmetry, and what moves beside the encoder."""

import copy
import itertools
import math

import pytest
import torch
from support.small_pretexts import CPU, FOLLOWED, NAMES, SYMMETRIC, made, module, two

from labeleff.errors import PluginError
from labeleff.seeding import stream_seed


def outputs(network, *views):
    with torch.no_grad():
        return [network(view).tolist() for view in views]


def unit(row):
    length = math.sqrt(sum(value * value for value in row))
    return [value / length for value in row]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_simclr_is_info_nce_over_all_views_of_the_batch():
    method = made("simclr", temperature=0.3)
    first, second = two()
    rows = [unit(row) for row in outputs(method.parts, torch.cat((first, second)))[0]]
    losses = []
    for i, row in enumerate(rows):
        other = (i + 6) % 12
        logits = {j: dot(row, rows[j]) / 0.3 for j in range(12) if j != i}
        losses.append(math.log(sum(math.exp(value) for value in logits.values())) - logits[other])
    assert method.loss(first, second).item() == pytest.approx(mean(losses), rel=1e-5)


def test_moco_is_info_nce_over_the_queue():
    method = made("moco", temperature=0.2, groups=1)
    network, follower, queue = method.parts
    first, second = two()
    bank = queue.memory_bank.bank.tolist()
    queries, keys = (list(map(unit, outputs(part, view)[0])) for part, view in ((network, first), (follower, second)))
    losses = []
    for query, key in zip(queries, keys, strict=True):
        logits = [dot(query, other) / 0.2 for other in [key, *bank]]
        losses.append(math.log(sum(math.exp(value) for value in logits)) - logits[0])
    assert method.loss(first, second).item() == pytest.approx(mean(losses), rel=1e-5)
    torch.testing.assert_close(queue.memory_bank.bank[:6], torch.tensor(keys), rtol=1e-5, atol=1e-6)
    assert torch.equal(queue.memory_bank.bank[6:], torch.tensor(bank)[6:])


def test_barlow_twins_is_the_distance_of_correlations_from_the_identity():
    method = made("barlow_twins", redundancy=0.01)
    first, second = two()
    a, b = (list(zip(*rows, strict=True)) for rows in outputs(method.parts, first, second))

    def standard(column):
        centre = mean(column)
        scale = math.sqrt(mean((value - centre) ** 2 for value in column) + 1e-5)
        return [(value - centre) / scale for value in column]

    a, b = ([standard(column) for column in side] for side in (a, b))
    expected = 0.0
    for i, j in itertools.product(range(16), range(16)):
        correlation = dot(a[i], b[j]) / 6
        expected += (correlation - 1) ** 2 if i == j else 0.01 * correlation**2
    assert method.loss(first, second).item() == pytest.approx(expected, rel=1e-4)


def test_vicreg_is_its_three_terms():
    method = made("vicreg", invariance=3.0, variance=5.0, covariance=2.0)
    first, second = two()
    sides = outputs(method.parts, first, second)
    invariance = mean((x - y) ** 2 for a, b in zip(*sides, strict=True) for x, y in zip(a, b, strict=True))
    variance, covariance = [], []
    for side in sides:
        columns = [[value - mean(column) for value in column] for column in zip(*side, strict=True)]
        deviations = [math.sqrt(dot(column, column) / 5 + 1e-4) for column in columns]
        variance.append(mean(max(0.0, 1 - deviation) for deviation in deviations))
        pairs = itertools.permutations(columns, 2)
        covariance.append(sum((dot(x, y) / 5) ** 2 for x, y in pairs) / len(columns))
    expected = 3 * invariance + 5 * mean(variance) + 2 * sum(covariance)
    assert method.loss(first, second).item() == pytest.approx(expected, rel=1e-4)


def slow_cosine(a, b):
    return mean(dot(unit(x), unit(y)) for x, y in zip(a, b, strict=True))


def test_simsiam_is_the_cosine_of_prediction_and_projection():
    method = made("simsiam")
    network, predictor = method.parts
    z = outputs(network, *two())
    p = outputs(predictor, *map(torch.tensor, z))
    expected = -(slow_cosine(p[0], z[1]) + slow_cosine(p[1], z[0])) / 2
    assert method.loss(*two()).item() == pytest.approx(expected, rel=1e-4)


def test_byol_is_the_squared_distance_of_prediction_and_target():
    method = made("byol")
    online, predictor, target, _ = method.parts
    wanted = outputs(target, *two())
    predicted = outputs(predictor, *map(torch.tensor, outputs(online, *two())))
    squares = [
        mean(sum((x - y) ** 2 for x, y in zip(unit(a), unit(b), strict=True)) for a, b in zip(p, z, strict=True))
        for p, z in ((predicted[0], wanted[1]), (predicted[1], wanted[0]))
    ]
    assert method.loss(*two()).item() == pytest.approx(sum(squares), rel=1e-4)


def test_dino_is_the_cross_entropy_of_student_and_sharpened_teacher():
    method = made("dino", teacher_temperature=0.05, student_temperature=0.1)
    student, teacher, centred, _ = method.parts
    centre = torch.randn(32) * 0.1
    centred.center.copy_(centre)

    def softmax(row, temperature, shift):
        exps = [math.exp((value - less) / temperature) for value, less in zip(row, shift, strict=True)]
        return [value / sum(exps) for value in exps]

    taught, learned = outputs(teacher, *two()), outputs(student, *two())
    losses = []
    for here, there in ((0, 1), (1, 0)):
        for a, b in zip(taught[here], learned[there], strict=True):
            target, guess = softmax(a, 0.05, centre.tolist()), softmax(b, 0.1, [0.0] * 32)
            losses.append(-sum(t * math.log(g) for t, g in zip(target, guess, strict=True)))
    assert method.loss(*two()).item() == pytest.approx(mean(losses), rel=1e-4)
    moved = 0.9 * centre + 0.1 * torch.tensor(taught).mean((0, 1))
    torch.testing.assert_close(centred.center[0, 0], moved, rtol=1e-4, atol=1e-5)


def test_lejepa_is_distance_and_a_test_of_the_characteristic_function():
    method = made("lejepa", weight=0.2, directions=5)
    first, second = two()
    views = outputs(method.network, first, second)
    width = len(views[0][0])
    centres = [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(*views, strict=True)]
    apart = mean(
        (value - centre) ** 2
        for view in views
        for row, middle in zip(view, centres, strict=True)
        for value, centre in zip(row, middle, strict=True)
    )
    torch.manual_seed(stream_seed("lejepa", 0, 1))
    directions = [unit(column) for column in torch.randn(width, 5).T.tolist()]
    knots = [3.0 * k / 16 for k in range(17)]
    statistics = []
    for view, direction in itertools.product(views, directions):
        along = [dot(row, direction) for row in view]
        errors = []
        for t in knots:
            normal = math.exp(-(t**2) / 2)
            real, imaginary = mean(math.cos(t * x) for x in along), mean(math.sin(t * x) for x in along)
            errors.append(((real - normal) ** 2 + imaginary**2) * normal)
        area = sum((low + high) / 2 * (3.0 / 16) for low, high in itertools.pairwise(errors))
        statistics.append(2 * area * len(view))  # from -3 to 3
    expected = 0.2 * mean(statistics) + 0.8 * apart
    assert method.loss(first, second).item() == pytest.approx(expected, rel=1e-4)


def test_lejepas_directions_are_new_at_every_step_and_the_same_for_held_out_images():
    method, (first, second) = made("lejepa", directions=3), two()
    method.parts.eval()
    before = torch.get_rng_state()
    steps = [method.loss(first, second).item() for _ in range(3)]
    assert len(set(steps)) == 3
    with torch.no_grad():
        assert len({method.loss(first, second).item() for _ in range(3)}) == 1
    assert torch.equal(torch.get_rng_state(), before)


def codes(scores, epsilon, rounds=3):
    """Assign rows to prototypes, equally many to each, by turns of scaling (Sinkhorn and Knopp)."""
    table = [[math.exp(value / epsilon) for value in row] for row in scores]
    rows, columns = len(table), len(table[0])
    for _ in range(rounds):
        sums = [sum(row[k] for row in table) for k in range(columns)]
        table = [[row[k] / sums[k] / columns for k in range(columns)] for row in table]
        table = [[value / sum(row) / rows for value in row] for row in table]
    return [[value * rows for value in row] for row in table]


@pytest.mark.parametrize("queue", [0, 6])
def test_swav_tells_one_views_codes_from_the_other(queue):
    method = made("swav", temperature=0.1, sharpness=0.1, queue=queue, prototypes=7, epoch=0)
    _, prototypes, memory, _ = method.parts
    views = two()
    earlier = [[], []]
    if queue:
        method.loss(*two(seed=5))
        earlier = memory.rows.tolist()
        assert memory.full
    projected = [[unit(row) for row in rows] for rows in outputs(method.network, *views)]
    centres = [unit(row) for row in prototypes.weight.tolist()]
    scores = [[[dot(row, centre) for centre in centres] for row in view] for view in projected]
    old = [[[dot(row, centre) for centre in centres] for row in rows] for rows in earlier]
    losses = []
    for of, other in ((0, 1), (1, 0)):
        wanted = codes([*scores[of], *old[of]], 0.1)[: len(views[of])]
        for code, row in zip(wanted, scores[other], strict=True):
            total = math.log(sum(math.exp(value / 0.1) for value in row))
            losses.append(-sum(q * (value / 0.1 - total) for q, value in zip(code, row, strict=True)))
    assert method.loss(*views).item() == pytest.approx(mean(losses), rel=1e-4)


def test_swavs_prototypes_rest_for_an_epoch():
    method = made("swav", epoch=2)
    _, prototypes, *_ = method.parts
    slopes = []
    for _ in range(3):
        prototypes.weight.grad = None
        method.loss(*two()).backward()
        slopes.append(prototypes.weight.grad is not None)
    assert slopes == [False, False, True]
    assert prototypes.weight.detach().norm(dim=1) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_order_of_views_is_no_matter(name):
    method = made(name)
    method.parts.eval()
    first, second = two()
    with torch.no_grad():
        there, back = method.loss(first, second).item(), method.loss(second, first).item()
    assert there == pytest.approx(back, rel=1e-5)


@pytest.mark.parametrize("name", ["simclr", "moco", "barlow_twins", "vicreg"])
def test_the_loss_falls_when_views_agree(name):
    """Held-out losses can be read: two equal views cost less than two unrelated ones."""
    method = made(name)
    method.parts.eval()
    first, second = two(8)
    with torch.no_grad():
        assert method.loss(first, first).item() < method.loss(first, second).item()


@pytest.mark.parametrize("name", NAMES)
def test_without_gradients_nothing_moves(name):
    method = made(name)
    state = copy.deepcopy(dict(itertools.chain(method.parts.named_parameters(), method.parts.named_buffers())))
    method.parts.eval()
    with torch.no_grad():
        before = method.loss(*two()).item()
        assert method.loss(*two()).item() == before
    for key, tensor in itertools.chain(method.parts.named_parameters(), method.parts.named_buffers()):
        assert torch.equal(tensor, state[key]), key


@pytest.mark.parametrize("name", FOLLOWED)
def test_momentum_weights_follow_and_take_no_gradient(name):
    method = made(name, momentum=0.9)
    network, follower = method.parts[0], method.parts[2 if name == "byol" else 1]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1
    old = [parameter.clone() for parameter in follower.parameters()]
    method.loss(*two()).backward()
    for source, before, after in zip(network.parameters(), old, follower.parameters(), strict=True):
        torch.testing.assert_close(after, 0.9 * before + 0.1 * source)
        assert after.grad is None
        assert not after.requires_grad
    assert next(network.parameters()).grad is not None


def test_byols_target_follows_ever_slower():
    method = made("byol", steps=5, momentum=0.5)
    online, _, target, _ = method.parts
    moved = []
    for _ in range(5):
        with torch.no_grad():
            next(online.parameters()).add_(1.0)
            gap = next(online.parameters()) - next(target.parameters())
        before = next(target.parameters()).clone()
        method.loss(*two())
        moved.append(float(((next(target.parameters()) - before) / gap).mean()))
    expected = [(1 - 0.5) * (math.cos(math.pi * step / 4) + 1) / 2 for step in range(5)]
    assert moved == pytest.approx(expected, abs=1e-5)


def test_dinos_last_layer_rests_for_an_epoch():
    method = made("dino", epoch=2)
    last = method.parts[0][1].last_layer
    seen = []
    for _ in range(3):
        method.parts.zero_grad(set_to_none=True)
        method.loss(*two()).backward()
        seen.append(bool(last.weight_v.grad.any()))
    assert seen == [False, False, True]


def test_mocos_groups_of_keys_are_not_those_of_queries():
    shuffle = module("moco").shuffle
    order = shuffle(32, 4, CPU.device)
    assert sorted(order.tolist()) == list(range(32))
    for part in order.chunk(4):
        assert max(len(set(part.tolist()) & set(range(start, start + 8))) for start in range(0, 32, 8)) == 2
    assert sorted(shuffle(7, 4, CPU.device).tolist()) == list(range(7))
    for part, number in zip(shuffle(10, 4, CPU.device).tensor_split(4), range(4), strict=True):
        assert part.tolist() == [place for place in range(10) if place % 4 == number], "every part is one group"


@pytest.mark.parametrize(("batch", "sizes"), [(2, [1, 1]), (9, [3, 2, 2, 2]), (10, [3, 3, 2, 2]), (13, [4, 3, 3, 3])])
def test_mocos_groups_are_as_equal_as_they_can_be(batch, sizes):
    method, seen = made("moco", batch=max(batch, 8), groups=4), []
    method.network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    method.loss(*two(batch))
    assert seen == sizes
    with pytest.raises(PluginError, match="4 groups of a batch of 6"):
        made("moco", groups=4)
