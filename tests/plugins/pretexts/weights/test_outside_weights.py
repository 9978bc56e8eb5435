"""Weights from outside: reading, fitting, what doesn't fit, and a study on them."""

from collections import OrderedDict

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import ConditionError, LabeleffError, WeightsError
from labeleff.execution.launch import measure
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.weights.outside_weights import Weights, fill, under
from labeleff.plugins.pretexts.weights.weight_files import read_state
from labeleff.records.jsonl import read_records
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import parse_study

SMALL = {"name": "resnet9", "width": 0.0625, "dim": 16}


def small(seed=0):
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), seed)


@pytest.fixture(scope="module")
def resnet18():
    """torchvision's network with statistics that differ from the initial ones."""
    torch.manual_seed(0)
    net = torchvision.models.resnet18()
    with torch.no_grad():
        net(torch.randn(8, 3, 32, 32))
    return net.eval()


def encoder(name, seed=0):
    return build_encoder(lookup.complete("encoder", name, {}), seed)


def test_both_kinds_of_file_hold_the_same_weights(tmp_path):
    state = small().state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pt")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "nested.pth")
    found = [Weights(read_state(tmp_path / name), name) for name in ("a.safetensors", "a.pt", "nested.pth")]
    assert len({weights.sha256 for weights in found}) == 1
    assert all(torch.equal(found[0].state[name], tensor) for name, tensor in state.items())


class Code:
    """Something that torch would have to unpickle."""


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.pt", None, "no such file"),
        ("none.safetensors", None, "no such file"),
        ("bad.pt", lambda path: path.write_bytes(b"nothing"), "bad.pt: "),
        ("bad.safetensors", lambda path: path.write_bytes(b"nothing"), "bad.safetensors: not a file"),
        ("code.pt", lambda path: torch.save({"a": Code()}, path), "nothing is ever unpickled"),
        ("list.pt", lambda path: torch.save([torch.ones(1)], path), "found list, expected a state dict"),
        ("empty.pt", lambda path: torch.save({}, path), "expected a state dict"),
        ("mixed.pt", lambda path: torch.save({"a": torch.ones(1), "b": 3}, path), "found a mapping with a, b"),
        ("a.onnx", lambda path: path.write_bytes(b"\x08\x07"), "not a file saved by torch, or one that holds more"),
        ("a.pt", lambda path: path.write_bytes(b""), "not readable as weights"),
    ],
)
def test_files_that_are_no_weights(tmp_path, name, make, message):
    path = tmp_path / name
    if make is not None:
        make(path)
    with pytest.raises(WeightsError, match=message) as caught:
        read_state(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_hash_covers_names_types_shapes_and_values():
    base = {"a": torch.arange(4.0), "b": torch.ones((), dtype=torch.int64)}
    others = [
        {"a": base["a"]},
        {"c": base["a"], "b": base["b"]},
        {**base, "a": base["a"].to(torch.bfloat16)},
        {**base, "a": base["a"].view(2, 2)},
        {**base, "a": base["a"] + 1},
    ]
    hashes = {Weights(state, "").sha256 for state in (base, *others)}
    assert len(hashes) == 6
    backwards = OrderedDict(reversed(base.items()))
    assert Weights(backwards, "elsewhere").sha256 == Weights(base, "").sha256


@pytest.mark.parametrize("half", [False, True])
def test_torchvisions_weights_give_torchvisions_features(resnet18, half):
    state = {name: t.half() if half and t.is_floating_point() else t for name, t in resnet18.state_dict().items()}
    filled = encoder("resnet18_imagenet", 5)
    said = fill(filled, Weights(state, "made"), "refuse", "what")
    assert said == "made; its classifier fc.* is left out"
    images = torch.randn(2, 3, 32, 32)
    headless = torch.nn.Sequential(*list(resnet18.children())[:-1], torch.nn.Flatten())
    with torch.no_grad():
        expected, found = headless(images), filled.eval()(images)
    torch.testing.assert_close(found, expected, rtol=0.05 if half else 1e-5, atol=0.05 if half else 1e-5)


def test_mobilenets_weights_fit_as_they_are():
    torch.manual_seed(1)
    net = torchvision.models.mobilenet_v2()
    filled = encoder("mobilenet_v2")
    fill(filled, Weights(net.state_dict(), "made"), "refuse", "what")
    assert all(torch.equal(filled.state_dict()[name], t) for name, t in net.state_dict().items() if "features" in name)


def test_an_encoders_own_weights_come_back():
    source, target = small(1), small(2)
    assert fill(target, Weights(source.state_dict(), "made"), "refuse", "what") == "made"
    assert all(torch.equal(target.state_dict()[name], tensor) for name, tensor in source.state_dict().items())
    own = encoder("resnet18", 1).state_dict()
    assert fill(encoder("resnet18", 2), Weights(own, "made"), "refuse", "what") == "made"


def test_step_counters_may_be_missing(resnet18):
    state = {name: t for name, t in resnet18.state_dict().items() if not name.endswith("num_batches_tracked")}
    filled = encoder("resnet18_imagenet")
    fill(filled, Weights(state, "made"), "refuse", "what")
    assert torch.equal(filled.state_dict()["net.bn1.running_mean"], state["bn1.running_mean"])


def changed(drop=(), **more):
    state = small().state_dict()
    return Weights({name: t for name, t in state.items() if name not in drop} | more, "made")


def test_what_does_not_fit_is_named_with_all_lists():
    weights = changed(["prepool.bias"], other=torch.ones(1), **{"prepool.weight": torch.ones(3, 2)})
    with pytest.raises(WeightsError) as caught:
        fill(small(), weights, "refuse", "file(path=a.pt) doesn't fit encoder resnet9")
    assert str(caught.value) == (
        "file(path=a.pt) doesn't fit encoder resnet9: missing 1: prepool.bias; unexpected 1: other; "
        "other shapes 1: prepool.weight (3, 2) for (16, 32)"
    )


def test_long_lists_are_cut_and_counted(resnet18):
    with pytest.raises(WeightsError, match=r"missing 42: .* and 36 more; unexpected 122: .* and 116 more$"):
        fill(small(), Weights(resnet18.state_dict(), "made"), "refuse", "what")


def test_types_are_checked_as_shapes_are():
    integers = {"prepool.weight": torch.ones(16, 32, dtype=torch.int8)}
    with pytest.raises(WeightsError, match=r"expected floating-point numbers.* prepool\.weight \(torch\.int8\)"):
        fill(small(), changed(**integers), "refuse", "what")
    with pytest.raises(WeightsError, match=r"nothing but zeros in prepool\.weight"):
        fill(small(), changed(**{"prepool.weight": torch.zeros(16, 32)}), "refuse", "what")


def test_values_that_are_no_numbers_are_an_error():
    with pytest.raises(WeightsError, match=r"no finite numbers in prepool\.bias"):
        fill(small(), changed(**{"prepool.bias": torch.full((16,), float("nan"))}), "refuse", "what")


def test_a_larger_stem_is_refused_unless_asked_for(resnet18):
    weights = Weights(resnet18.state_dict(), "made")
    with pytest.raises(WeightsError, match=r"\(64, 3, 7, 7\).*\(64, 3, 3, 3\) by design; set stem = 'centre'"):
        fill(encoder("resnet18"), weights, "refuse", "what")
    centred, random, fresh = encoder("resnet18", 3), encoder("resnet18", 3), encoder("resnet18", 3)
    assert fill(centred, weights, "centre", "what").endswith("of net.conv1.weight the middle 3x3")
    assert torch.equal(centred.net.conv1.weight, resnet18.conv1.weight[:, :, 2:5, 2:5])
    assert fill(random, weights, "random", "what").endswith("net.conv1.weight is left as initialised")
    assert torch.equal(random.net.conv1.weight, fresh.net.conv1.weight)
    for filled in (centred, random):
        assert torch.equal(filled.net.layer4[1].conv2.weight, resnet18.layer4[1].conv2.weight)
        assert torch.equal(filled.net.bn1.running_var, resnet18.bn1.running_var)


def test_a_stem_of_another_kind_is_no_case_for_the_option(resnet18):
    state = resnet18.state_dict() | {"conv1.weight": torch.ones(32, 3, 7, 7)}
    with pytest.raises(WeightsError, match=r"other shapes 1: net.conv1.weight \(32, 3, 7, 7\) for \(64, 3, 3, 3\)"):
        fill(encoder("resnet18"), Weights(state, "made"), "centre", "what")


def test_a_prefix_picks_a_part_and_says_so():
    state = {f"module.backbone.{name}": tensor for name, tensor in small().state_dict().items()}
    weights = under("module.backbone.", Weights(state | {"module.head.weight": torch.ones(1)}, "made"))
    assert weights.state.keys() == small().state_dict().keys()
    assert weights.provenance == f"made, {len(state)} tensors under 'module.backbone.' (1 others left out)"
    with pytest.raises(WeightsError, match=r"no name begins with 'encoder\.'; found module"):
        under("encoder.", Weights(state, "made"))
    whole = Weights(state, "made")
    assert under("", whole) is whole


def test_options_are_checked_with_the_study():
    with pytest.raises(LabeleffError, match="pretext 'file' needs the option 'path'"):
        lookup.complete("pretext", "file", {})
    with pytest.raises(LabeleffError, match="'center'; did you mean 'centre'"):
        lookup.complete("pretext", "file", {"path": "a.pt", "stem": "center"})


def study(*files, **changes):
    pretexts = [{"name": "file", "path": str(path)} for path in files]
    budget = {"lr": 0.05, "batch": 16, "steps": {"min": 3, "max": 3}}
    table = {
        "name": "tiny",
        "tasks": [{"name": "toy/classify", "train": 200, "test": 100, "size": 16}],
        "encoders": [SMALL],
        "arms": [
            "scratch/finetune",
            *({"pretext": pretext, "protocol": name} for pretext in pretexts for name in ("linear", "finetune")),
        ],
        "rungs": [20, 40],
        "seeds": 2,
        "draws": 1,
        "budget": {"finetune": budget},
    }
    return parse_study({**table, **changes}, "the test's study")


def run(of, folder):
    where = RunOptions(folder / "out", ["labeleff"], 1, 1, "cpu", folder / "data", folder / "cache", quiet=True)
    assert measure(of, where) == []
    return read_records(folder / "out")


def test_a_study_on_files_records_each_once(tmp_path):
    for seed, name in enumerate(("a.safetensors", "b.safetensors")):
        save_file(small(seed + 7).state_dict(), tmp_path / name)
    of = study(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    records = run(of, tmp_path)
    assert len(records.pretrainings) == 2
    sources = {}
    for item in records.pretrainings.values():
        path = item.pretraining.pretext.options["path"]
        assert item.provenance == f"file {path}"
        assert item.weights_sha256 == Weights(read_state(tmp_path / path), "").sha256
        assert item.training is None
        assert item.pretraining.budget is None
        sources[item.key] = path
    assert len({item.encoder_sha256 for item in records.pretrainings.values()}) == 2
    cells = [record for record in records.cells.values() if record.cell.pretext.name == "file"]
    assert len(cells) == 16
    assert all(sources[record.pretraining] == record.cell.pretext.options["path"] for record in cells)
    frozen = {}
    for record in cells:
        if record.cell.protocol.name == "linear":
            where = record.cell.pretext.options["path"], record.cell.n, record.cell.draw
            frozen.setdefault(where, set()).add(record.metrics["accuracy"])
    assert all(len(accuracies) == 1 for accuracies in frozen.values())
    again = run(of, tmp_path)
    assert len(again.runs) == 1


def test_a_file_that_changed_is_not_mixed_in(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(small(1).state_dict(), path)
    run(study(path, rungs=[20, 40]), tmp_path)
    save_file(small(2).state_dict(), path)
    with pytest.raises(ConditionError, match=r"data of file\(path="):
        run(study(path, rungs=[20, 60]), tmp_path)


def test_what_does_not_fit_ends_the_run_before_anything_is_trained(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(changed(["prepool.bias"]).state, path)
    with pytest.raises(WeightsError, match=r"file\(path=.*\) doesn't fit encoder resnet9\(.*\): missing 1"):
        run(study(path), tmp_path)
    assert not read_records(tmp_path / "out").cells


@pytest.mark.parametrize(("stem", "count"), [("centre", 1), ("random", 3)])
def test_a_random_stem_makes_an_encoder_a_seed(stem, count):
    arms = ["scratch/finetune", {"pretext": {"name": "file", "path": "a.pt", "stem": stem}, "protocol": "finetune"}]
    of = study(encoders=["resnet18"], arms=arms, seeds=3)
    assert len(of.pretrainings) == count
    assert {cell.seed for cell in of.cells()} == {0, 1, 2}
    scratch = next(cell for cell in of.cells() if cell.pretext == Spec(name="scratch"))
    assert scratch.encoder_seed is None
    assert "encoder_seed" not in scratch.model_dump(mode="json", exclude_none=True)


def test_tasks_with_the_same_images_share_a_filled_encoder():
    arms = ["scratch/finetune", {"pretext": {"name": "file", "path": "a.pt"}, "protocol": "linear"}]
    of = study(tasks=["shapes/classify", "shapes/pose"], arms=arms)
    assert len(of.pretrainings) == 1
    assert {cell.pretraining.task.name for cell in of.pretrained_cells} == {"shapes/classify"}
