"""Losses, metrics and chance levels against loops over single pixels."""

import hashlib
import math

import pytest
import torch

from labeleff.catalogue.metrics import GOALS
from labeleff.errors import PluginError
from labeleff.training.examples import Examples, Task
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import UNIT, Depth
from labeleff.training.goals.segmentation import PixelClasses

POSES = (0, 3, 2, 1, 4)
SEGMENTS, DEPTHS = PixelClasses(grid=4), Depth(grid=4)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def class_maps(n=6, side=8, classes=3, seed=0):
    maps = torch.randint(0, classes + 1, (n, side, side), generator=random(seed))
    return torch.where(maps == classes, 255, maps).to(torch.uint8)


def depth_maps(n=6, side=8, seed=0):
    return torch.randint(-2000, 20_000, (n, side, side), generator=random(seed)).to(torch.int16)


def pixels(maps):
    """(image, row, column, label) on the 4 x 4 grid of 8 x 8 maps, one at a time."""
    return [(i, r, c, int(maps[i, 2 * r + 1, 2 * c + 1])) for i in range(len(maps)) for r in range(4) for c in range(4)]


def scores(n, outputs, seed=1):
    return torch.randn(n, outputs, 4, 4, generator=random(seed))


def metrics_of(goal, said, maps):
    """In two blocks, as the runner does it."""
    target = goal.maps(maps).used
    return goal.metrics(sum(goal.tally(said[a:b], target[a:b]) for a, b in ((0, 2), (2, len(said)))))


@pytest.mark.parametrize("goal", [Classes(), SEGMENTS, DEPTHS])
def test_every_goal_gives_the_metrics_its_name_promises(goal):
    assert goal.headline == GOALS[goal.name][0]
    assert goal.outputs(3) == (1 if goal is DEPTHS else 3)
    tally = {"classes": torch.tensor([1, 2]), "pixel_classes": torch.eye(3, dtype=torch.int64)}.get(
        goal.name, torch.ones(5, dtype=torch.float64)
    )
    assert tuple(goal.metrics(tally)) == GOALS[goal.name]


def test_classes_are_scored_by_the_highest_score():
    goal = Classes()
    said, labels = torch.randn(50, 5, generator=random()), torch.randint(0, 5, (50,), generator=random(1))
    correct = [max(range(5), key=lambda c, i=i: float(said[i, c])) == int(labels[i]) for i in range(50)]
    losses = [math.log(sum(math.exp(v) for v in said[i].tolist())) - float(said[i, labels[i]]) for i in range(50)]
    assert goal.metrics(goal.tally(said, labels)) == {"accuracy": sum(correct) / 50}
    assert int(goal.correct(said, labels)) == sum(correct)
    assert float(goal.loss(said, labels)) == pytest.approx(sum(losses) / 50, rel=1e-5)
    assert float(goal.loss(said, labels, "sum")) == pytest.approx(sum(losses), rel=1e-5)
    assert goal.chance(labels) == max(labels.tolist().count(c) for c in range(5)) / 50
    assert torch.equal(goal.strata(labels), labels)
    assert not goal.dense
    assert goal.maps(labels) is None
    assert goal.start(labels) is None


def test_mirrored_poses_swap_left_and_right():
    labels = torch.tensor([0, 1, 2, 3, 4, 1])
    goal = Classes(mirror=POSES)
    assert goal.mirrored(labels).tolist() == [0, 3, 2, 1, 4, 3]
    assert torch.equal(goal.mirrored(goal.mirrored(labels)), labels)
    assert torch.equal(Classes().mirrored(labels), labels)


def test_a_mirror_that_does_not_undo_itself_is_refused():
    with pytest.raises(PluginError, match=r"found \(1, 2, 0\)"):
        Classes(mirror=(1, 2, 0))


def test_pixel_classes_against_a_loop():
    maps, said = class_maps(), scores(6, 3)
    seen = [(i, r, c, label) for i, r, c, label in pixels(maps) if label != 255]
    told = [max(range(3), key=lambda k, at=(i, r, c): float(said[at[0], k, at[1], at[2]])) for i, r, c, _ in seen]
    truth = [label for *_, label in seen]
    ious = []
    for k in range(3):
        both = sum(a == b == k for a, b in zip(told, truth, strict=True))
        ious.append(both / (told.count(k) + truth.count(k) - both))
    correct = sum(a == b for a, b in zip(told, truth, strict=True))
    found = metrics_of(SEGMENTS, said, maps)
    assert found == {"pixel_accuracy": correct / len(seen), "mean_iou": pytest.approx(sum(ious) / 3)}
    losses = [
        math.log(sum(math.exp(v) for v in said[i, :, r, c].tolist())) - float(said[i, label, r, c])
        for i, r, c, label in seen
    ]
    target = SEGMENTS.maps(maps).used
    assert float(SEGMENTS.loss(said, target)) == pytest.approx(sum(losses) / len(seen), rel=1e-5)
    assert float(SEGMENTS.loss(said, target, "sum")) == pytest.approx(sum(losses), rel=1e-5)
    assert float(SEGMENTS.correct(said, target)) == pytest.approx(6 * correct / len(seen))
    assert SEGMENTS.chance(maps) == max(truth.count(k) for k in range(3)) / len(truth)
    assert SEGMENTS.answers(target).tolist() == truth
    assert SEGMENTS.strata(maps).tolist() == [0] * 6


def test_classes_that_never_occur_do_not_count_for_the_mean_iou():
    maps = torch.zeros(1, 8, 8, dtype=torch.uint8)
    said = torch.zeros(1, 11, 4, 4)
    said[:, 0] = 1
    assert metrics_of(SEGMENTS, torch.cat([said] * 3), torch.cat([maps] * 3)) == {"pixel_accuracy": 1, "mean_iou": 1}
    said[:, 5, 0, 0] = 2
    found = metrics_of(SEGMENTS, torch.cat([said] * 3), torch.cat([maps] * 3))
    assert found["mean_iou"] == pytest.approx((15 / 16 + 0) / 2)


def test_depths_against_a_loop():
    maps = depth_maps()
    truth = DEPTHS.maps(maps).used.clamp(min=1000)[:, None] * UNIT
    said = truth * torch.exp(0.3 * scores(6, 1))
    seen = [(float(said[i, 0, r, c]), steps * UNIT) for i, r, c, steps in pixels(maps) if steps > 0]
    ratios = [max(p / g, g / p) for p, g in seen]
    errors = [abs(p - g) for p, g in seen]
    found = metrics_of(DEPTHS, said, maps)
    assert found["within_1.25"] == sum(ratio < 1.25 for ratio in ratios) / len(seen)
    assert found["within_1.1"] == sum(ratio < 1.1 for ratio in ratios) / len(seen)
    assert 0 < found["within_1.1"] < found["within_1.25"] < 1
    assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(seen)))
    assert found["mean_absolute_error"] == pytest.approx(sum(errors) / len(seen))
    target = DEPTHS.maps(maps).used
    assert float(DEPTHS.loss(said, target)) == pytest.approx(sum(errors) / len(seen), rel=1e-5)
    assert float(DEPTHS.loss(said, target, "sum")) == pytest.approx(sum(errors), rel=1e-5)
    assert float(DEPTHS.correct(said, target)) == pytest.approx(6 * found["within_1.25"])
    assert DEPTHS.start(maps) == pytest.approx(sorted(g for _, g in seen)[(len(seen) - 1) // 2])
    assert DEPTHS.answers(target).tolist() == pytest.approx([g for _, g in seen])


@pytest.mark.parametrize("wrong", [-1.0, 0.0, float("nan"), float("inf"), float("-inf")])
def test_a_depth_that_is_none_is_never_right(wrong):
    target = torch.full((1, 4, 4), round(1 / UNIT), dtype=torch.int16)
    assert DEPTHS.tally(torch.full((1, 1, 4, 4), wrong), target)[1:3].tolist() == [0, 0]
    assert DEPTHS.tally(torch.ones(1, 1, 4, 4), target)[1:3].tolist() == [16, 16]


def test_the_chance_of_depths_is_that_of_the_best_constant():
    for seed in range(5):
        maps = depth_maps(seed=seed)
        steps = [label for *_, label in pixels(maps) if label > 0]
        ends = [s * f for s in steps for f in (1.25, 0.8)]
        tried = [e * f for e in ends for f in (1 - 1e-9, 1 + 1e-9)]
        best = max(sum(max(c / s, s / c) < 1.25 for s in steps) for c in tried)
        assert DEPTHS.chance(maps) == best / len(steps)


def test_the_bound_of_a_constant_is_strict():
    maps = torch.tensor([1600, 2500], dtype=torch.int16)[:, None, None].expand(2, 8, 8)
    assert DEPTHS.chance(maps) == 0.5
    assert DEPTHS.chance(torch.where(maps == 2500, 2499, maps)) == 1


def test_losses_have_gradients_only_where_pixels_count():
    for goal, maps, outputs in ((SEGMENTS, class_maps(), 3), (DEPTHS, depth_maps(), 1)):
        said, target = scores(6, outputs).requires_grad_(), goal.maps(maps).used
        goal.loss(said, target).backward()
        moved = (said.grad != 0).any(1)
        assert torch.equal(moved, goal.counted(target))
        empty = torch.full_like(target, goal.empty)
        assert float(goal.loss(said, empty).detach()) == 0
        assert float(goal.correct(said, empty)) == 0


def test_a_split_without_a_label_is_an_error():
    for goal, maps in ((SEGMENTS, class_maps()), (DEPTHS, depth_maps())):
        empty = torch.full_like(maps, goal.empty)
        for wrong in (lambda g=goal, e=empty: g.chance(e), lambda g=goal, e=empty: metrics_of(g, scores(6, 3), e)):
            with pytest.raises(PluginError, match="no label of the split"):
                wrong()
    with pytest.raises(PluginError, match="no label"):
        DEPTHS.start(empty)


def test_maps_of_a_wrong_kind_are_refused():
    with pytest.raises(PluginError, match=r"found labels int64 \(6,\), expected square maps \(N, S, S\) of uint8"):
        SEGMENTS.maps(torch.zeros(6, dtype=torch.int64))
    with pytest.raises(PluginError, match="expected square maps"):
        DEPTHS.maps(class_maps())
    with pytest.raises(PluginError, match="found maps of 8 pixels a side, expected a multiple of 16"):
        PixelClasses().maps(class_maps())


def test_a_task_takes_chance_and_outputs_from_its_goal():
    images = torch.zeros(6, 8, 8, 3, dtype=torch.uint8)
    task = Task("t", Examples(images, depth_maps()), Examples(images, depth_maps(seed=3)), (), "made", goal=DEPTHS)
    assert task.chance == DEPTHS.chance(depth_maps(seed=3))
    assert task.outputs == 1
    assert len(task.test) == 6


def test_only_an_unusual_goal_changes_the_fingerprint():
    images, labels = torch.zeros(3, 8, 8, 3, dtype=torch.uint8), torch.arange(3)
    parts = Examples(images, labels)
    digest = hashlib.sha256()
    for array in (images, labels, images, labels):
        digest.update(str(tuple(array.shape)).encode())
        digest.update(array.numpy().data)
    task = Task("t", parts, parts, ("a", "b", "c"), "made")
    assert task.fingerprint == digest.hexdigest()
    mirrored = Task("t", parts, parts, ("a", "b", "c"), "made", goal=Classes(mirror=(1, 0, 2)))
    assert mirrored.fingerprint != task.fingerprint
