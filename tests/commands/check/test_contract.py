"""`labeleff check`: every built-in plug-in that needs no data passes, and breaches of a contract are found."""

import itertools
import re
import sys
from pathlib import Path

import pytest
import torch
from support import small_pretexts, third_party

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Plugin
from labeleff.commands.check.contract import Subject, findings
from labeleff.commands.check.runner import checks_of, identify, subject
from labeleff.errors import OptionError, PluginError, UnknownNameError
from labeleff.plugins.encoders.interface import Encoder, linear_head
from labeleff.plugins.encoders.resnet9 import ResNet9
from labeleff.plugins.pretexts import rotation
from labeleff.plugins.pretexts.interface import Pretrained
from labeleff.plugins.protocols import knn
from labeleff.plugins.protocols.interface import Fitted
from labeleff.plugins.tasks import toy
from labeleff.training import checkpoints
from labeleff.training.examples import Source
from labeleff.training.images import ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Slot

SMALL = {
    "resnet9": {"width": 0.0625, "dim": 16},
    "vit_tiny": {"width": 0.125, "depth": 2},
    "vit_small": {"width": 0.0625, "depth": 2, "pool": "token"},
    "qrn": {"width": 16, "gates": 4},
    "universal_transformer": {"width": 16},
    "toy/classify": {"train": 40, "test": 20, "size": 16},
    "partial": {"frozen": "layer1"},
}
SHAPES = {"train": 20, "test": 20, "size": 32}
DATA = (
    *("cifar10/", "cifar100/", "eurosat/", "folder/", "hf/", "npz/", "parquet/", "selfstudy/", "shapenet/", "stl10/"),
    *("svhn/", "embeddings/", "embedding", "rows"),
)
"""Beginnings of the names of what needs data from outside; their own tests give them some."""
BUILT_IN = [
    (kind, plugin.name)
    for kind in ("pretext", "protocol", "encoder", "task")
    for plugin in lookup.plugins(kind)
    if not plugin.name.startswith(DATA)
    if plugin.name not in {f"babi/qa{number}" for number in range(4, 21)}
]


def small(kind, name):
    """Options that keep a check short."""
    if name.startswith("babi/"):
        return {"size": "1k", "source": "generated"}
    if name.startswith("shapes/"):
        return SHAPES
    known = lookup.find(kind, name).options
    heads = {key: value for key, value in small_pretexts.SMALL.items() if key in known} if kind == "pretext" else {}
    return SMALL.get(name, heads)


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_built_in_plugin_passes(kind, name, tmp_path):
    if missing := lookup.find(kind, name).missing:
        pytest.skip(missing)
    one = subject(name, kind, small(kind, name), Source(tmp_path, offline=True))
    found = list(findings(checks_of(one), one))
    assert [finding for finding in found if finding.status == "FAILED"] == []
    assert len(found) == len(checks_of(one))


def failed(kind, function, tmp_path, **facts):
    """Run the checks on a function, and return the failures by check."""
    options = facts.pop("options", {})
    one = Subject(kind, Plugin("mine", "mine", "m:f", options, **facts), function, options, Source(tmp_path))
    return {found.check: found.text for found in findings(checks_of(one), one) if found.status == "FAILED"}


def turned(data, encoder, seed, budget, compute, progress):
    return rotation.pretrain(data, encoder, seed, budget, {"holdout": 0.1}, compute, progress)


def lazy(data, encoder, seed, budget, options, compute, progress):
    return Pretrained()


def careless(data, encoder, seed, budget, options, compute, progress):
    result = turned(data, encoder, seed, budget, compute, progress)
    with torch.no_grad():
        next(encoder.parameters()).add_(torch.rand(1))
    return result


def deaf(data, encoder, seed, budget, options, compute, progress):
    return turned(data, encoder, 0, budget, compute, progress)


def greedy(data, encoder, seed, budget, options, compute, progress):
    more = budget.model_copy(update={"batch": 4})
    return turned(data, encoder, seed, more, compute, progress)


def wasteful(data, encoder, seed, budget, options, compute, progress):
    result = turned(data, encoder, seed, budget, compute, progress)
    data.images.zero_()
    encoder.double()
    return Pretrained({"loss": float("nan")}, result.training)


def counting(data, encoder, seed, budget, options, compute, progress):
    """A rotation whose rate grows with a number of steps that no checkpoint has."""
    images = ResidentImages(data.images, data.normalisation, compute.device, rotate=True, seed=seed)
    steps = itertools.count(1)

    def objective(model, batch):
        loss = torch.nn.functional.cross_entropy(model(batch.images), batch.turns)
        return loss * (next(steps) if torch.is_grad_enabled() else 1), loss.new_zeros(())

    slot = Slot(torch.nn.Sequential(encoder, linear_head(encoder.dim, 4, seed)), images, objective, seed)
    [training] = train([slot], budget, budget.steps_for(images.count), compute, progress)
    return Pretrained({}, training)


def by_itself(data, encoder, seed, budget, options, compute, progress):
    with checkpoints.keeping(None):
        return turned(data, encoder, seed, budget, compute, progress)


@pytest.mark.parametrize(("function", "text"), [(counting, "to other bits"), (by_itself, "it trains by itself")])
def test_a_pretext_must_go_on_as_it_says(function, text, tmp_path):
    assert failed("pretext", function, tmp_path).keys() == set()
    found = failed("pretext", function, tmp_path, resumes=True)
    assert found.keys() == {"interruption"}
    assert text in found["interruption"]


@pytest.mark.parametrize(
    ("function", "check", "text"),
    [
        (lambda _, __: None, "signature", "can't be called with (data, encoder, seed, budget, options"),
        (lambda *_: None, "image sizes", "gave NoneType, expected labeleff.api.Pretrained"),
        (lazy, "encoder", "did not change, but the plug-in says trained = True"),
        (careless, "shared random state", "the shared generator of torch was used"),
        (deaf, "deterministic", "seeds 0 and 1 gave the same bits"),
        (greedy, "budget", "found 2 steps of 4 images, the budget has 2 of 8"),
        (wasteful, "encoder", "names, types or shapes of weights changed"),
        (wasteful, "sees no labels", "it changed the images"),
        (wasteful, "finite losses", "metric 'loss' is nan"),
    ],
)
def test_what_a_pretext_does_wrong_is_said(function, check, text, tmp_path):
    assert text in failed("pretext", function, tmp_path)[check]


def test_a_plugins_own_error_comes_with_its_line(tmp_path):
    def broken(data, encoder, seed, budget, options, compute, progress):
        return options["missing"]

    found = failed("pretext", broken, tmp_path)["image sizes"]
    assert found.startswith("KeyError: 'missing' (")
    assert "test_contract.py, line " in found


class Forgetful(ResNet9):
    """An encoder that counts its calls in a buffer, has an unused parameter, and other maps than it says."""

    def __init__(self):
        super().__init__(0.0625, 16)
        self.register_buffer("calls", torch.zeros(()))
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.scale = float(torch.rand(()))

    def forward(self, images):
        self.calls += 1
        return super().forward(images) * self.scale


class Flat(Encoder):
    dim = 3

    def forward(self, images):
        return images.mean((2, 3)).double()


def test_what_an_encoder_does_wrong_is_said(tmp_path):
    found = failed("encoder", lambda _: Forgetful(), tmp_path)
    assert "unused gets no gradient" in found["gradients"]
    assert "isn't the features" in found["maps"]
    assert "in eval mode changed weights or buffers" in found["eval mode"]
    assert "isn't in the state dict" in found["cache"]
    found = failed("encoder", lambda _: Flat(), tmp_path)
    assert "features are float64 (4, 3) at 16 pixels, expected float32 (4, dim = 3)" in found["features"]
    assert "the seed isn't used" in found["deterministic"]


def test_what_a_protocol_does_wrong_is_said(tmp_path):
    def spoiling(problems, options):
        fitted = knn.fit(problems, {"k": 3, "temperature": 0.1})
        problems[0].features.zero_()
        return fitted

    def narrow(problems, options):
        return [Fitted(lambda features: features[:, :3]) for _ in problems]

    assert "although they are frozen" in failed("protocol", spoiling, tmp_path, trained=False)["frozen encoder"]
    assert "scores are (20, 3), expected (20, 10)" in failed("protocol", narrow, tmp_path, trained=False)["scores"]


def test_what_a_task_does_wrong_is_said(tmp_path):
    made = toy.load({"train": 40, "test": 20, "size": 16}, Source(tmp_path))
    changing = iter(range(1, 100))

    def load(options, source):
        made.train.images[0, 0, 0, 0] = next(changing)
        made.train.labels[made.train.labels == 9] = 10
        return made

    found = failed("task", load, tmp_path, pool=50, goal="classes")
    assert found["labels"] == "train: labels 0..10, expected 0..9"
    assert found["pool"] == "40 training examples, the plug-in says 50"
    assert "no example of" in found["classes"]


def test_names_modules_and_paths_are_told_apart():
    assert identify("rotation", None) == ("pretext", "rotation")
    assert identify("labeleff.plugins.protocols.knn", None) == ("protocol", "labeleff.plugins.protocols.knn:fit")
    assert identify("labeleff.plugins.pretexts.byol", "pretext") == (
        "pretext",
        "labeleff.plugins.pretexts.byol:pretrain",
    )
    with pytest.raises(UnknownNameError, match="did you mean 'rotation'"):
        identify("rotatoin", None)
    with pytest.raises(OptionError, match=r"found 0 plug-ins, expected one labeleff\.api\.Plugin"):
        identify("labeleff.errors", None)
    with pytest.raises(OptionError, match="say what it is with --kind"):
        identify("labeleff.plugins.encoders.resnet:build18", None)
    assert identify("labeleff.plugins.encoders.resnet:build18", "encoder")[0] == "encoder"


def test_a_module_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "failing_module.py").write_text("import no_such_module\n")
    with pytest.raises(PluginError, match=r"module 'failing_module' can't be imported: ModuleNotFoundError"):
        identify("failing_module", None)


def test_exit_statuses(command, tmp_path, monkeypatch):
    code = third_party.PRETEXT + "\n\ndef lazy(data, encoder, seed, budget, options, compute, progress): pass\n"
    third_party.install(tmp_path / "packages", "spinning", code, {"pretexts": {"spun": "spinning:PLUGIN"}})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=":")
    done = command("check", "spun")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pretext spun: rotation by another name (spinning 0.1, spinning.py " in done.stdout
    assert "12 checks: 0 failed, 0 warnings" in done.stdout
    done = command("check", "spinning:lazy", "--kind", "pretext")
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAILED  image sizes: gave NoneType" in done.stdout
    done = command("check", "spinning:lazy")
    assert done.returncode == 2
    assert "say what it is with --kind" in done.stderr


def test_a_file_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_knn_here.py").write_text("from labeleff.plugins.protocols.knn import fit\n")
    assert identify(str(tmp_path / "own_knn_here.py"), None) == ("protocol", "own_knn_here:fit")
    assert identify(f"{tmp_path / 'own_knn_here.py'}:fit", None) == ("protocol", "own_knn_here:fit")
    with pytest.raises(OptionError, match=r"none\.py: no such file"):
        identify(str(tmp_path / "none.py"), None)
    (tmp_path / "json.py").write_text("def fit(problems, options): ...\n")
    with pytest.raises(OptionError, match="another module has the name 'json'"):
        identify(str(tmp_path / "json.py"), None)


def test_a_file_with_the_name_of_a_plugin_is_checked_itself(command, tmp_path):
    """Else a plug-in that breaks its contract would pass as the built-in one."""
    lazy = "def pretrain(data, encoder, seed, budget, options, compute, progress): pass\n"
    (tmp_path / "rotation.py").write_text(lazy)
    done = command("check", str(tmp_path / "rotation.py"))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("pretext rotation:pretrain: ")
    assert "FAILED  image sizes: gave NoneType" in done.stdout


def test_the_documentations_encoder_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = (Path(__file__).parents[3] / "docs" / "pretexts.md").read_text(encoding="utf-8")
    (tmp_path / "tiny_of_docs.py").write_text(text.partition("## An encoder")[2].split("```")[1].removeprefix("python"))
    one = subject(str(tmp_path / "tiny_of_docs.py"), None, {}, Source(tmp_path, offline=True))
    assert {finding.status for finding in findings(checks_of(one), one)} == {"ok"}


def test_the_documentations_task_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = (Path(__file__).parents[3] / "docs" / "pretexts.md").read_text(encoding="utf-8")
    code = text.partition("## A task of your own")[2].split("```")[1].removeprefix("python")
    (tmp_path / "stripes_of_docs.py").write_text(code)
    one = subject(str(tmp_path / "stripes_of_docs.py"), None, {}, Source(tmp_path, offline=True))
    assert {finding.status for finding in findings(checks_of(one), one)} == {"ok"}
    swapped = code.replace('stripes(200, 0), stripes(100, 1), ("lying", "upright")', '("a", "b"), stripes(9, 0), 1')
    for number, (wrong, said) in enumerate(
        [
            (
                swapped,
                r"Task.train: found tuple, expected Examples, as in Task\(name, train, test, classes, provenance",
            ),
            (code.replace(', "made here"', ""), "TypeError: .*missing 1 required positional argument: 'provenance'"),
            (code.replace("torch.from_numpy(labels)", "labels"), "Task.train.labels: found ndarray, expected a tensor"),
        ]
    ):
        (tmp_path / f"swapped_{number}.py").write_text(wrong)
        one = subject(str(tmp_path / f"swapped_{number}.py"), None, {}, Source(tmp_path, offline=True))
        [failed] = [finding for finding in findings(checks_of(one), one) if finding.status == "FAILED"]
        assert re.match(said, failed.text)
