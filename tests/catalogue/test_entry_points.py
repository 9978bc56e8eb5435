"""Plug-ins of other packages: by entry point and by path, their clashes, and where they come from."""

import importlib
import re
import sys

import pytest
from support import factories, third_party, toy_study

from labeleff.catalogue import declaration, entry_points, lookup
from labeleff.errors import PluginError, StudyError, UnknownNameError
from labeleff.records.entries import RunEntry
from labeleff.study.loading import load_study

SPINNING = {"pretexts": {"spun": "spinning:PLUGIN", "plain": "spinning:plain"}}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder on the search path; what was found before is forgotten."""

    def forget():
        importlib.invalidate_caches()
        for cached in (entry_points._points, entry_points.find, entry_points.origin):
            cached.cache_clear()
        entry_points._RECALLED.clear()
        entry_points._FOLDERS.clear()
        sys.modules.pop("spinning", None)

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=":")
    forget()
    yield tmp_path / "packages"
    forget()


def test_names_are_found_without_loading(packages):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING)
    assert entry_points.names("pretext") == ["plain", "spun"]
    assert lookup.find("pretext", "rotation").target.startswith("labeleff.")
    assert "spinning" not in sys.modules


def test_entry_points_are_plugins_or_functions(packages):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING)
    assert lookup.complete("pretext", "spun", {}).options == {"holdout": 0.1}
    plain = lookup.find("pretext", "plain")
    assert (plain.clause, dict(plain.options)) == ("Tell how an image was turned, without options.", {})
    assert lookup.resolve("pretext", "plain") is sys.modules["spinning"].plain
    with pytest.raises(UnknownNameError, match="did you mean 'spun'"):
        lookup.find("pretext", "spum")


def test_a_path_needs_no_metadata(packages):
    packages.mkdir()
    (packages / "spinning.py").write_text(third_party.PRETEXT)
    assert lookup.complete("pretext", "spinning:PLUGIN", {}).label == "spinning:PLUGIN(holdout=0.1)"
    assert lookup.resolve("pretext", "spinning:plain").__name__ == "plain"
    assert lookup.origin("pretext", "spinning:plain").startswith("no package, spinning.py ")
    with pytest.raises(PluginError, match=r"'spinning:missing' can't be loaded: AttributeError"):
        lookup.find("pretext", "spinning:missing")
    with pytest.raises(PluginError, match=r"can't be loaded: ModuleNotFoundError"):
        lookup.find("task", "no_such_module:load")


def test_a_bare_function_says_by_its_parameters_what_it_is():
    assert not entry_points.plugin_of("protocol", "x", lambda _, __: None, "x:y").trained
    assert entry_points.plugin_of("protocol", "x", lambda _, __, ___: None, "x:y").trained
    assert entry_points.plugin_of("encoder", "x", lambda _, __: None, "x:y").examples == "stories"
    assert entry_points.plugin_of("encoder", "x", lambda _: None, "x:y").examples == "images"


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"rotation": "spinning:PLUGIN"}, r"'rotation' is built in, but spinning 0\.1 gives one of that name"),
        ({"spum": "spinning:PLUGIN"}, r"'spum' of spinning 0\.1: the plug-in calls itself 'spun'"),
        ({"lost": "spinning:lost"}, r"'lost' of spinning 0\.1 can't be loaded: AttributeError"),
        ({"word": "spinning:__name__"}, r"found 'spinning', expected a labeleff\.api\.Plugin or a function"),
        ({"a/b": "spinning:plain"}, r"arms are written PRETEXT/PROTOCOL"),
    ],
)
def test_what_is_broken_is_named_and_hurts_nobody_else(packages, point, message):
    good = {"spun": "spinning:PLUGIN"}
    third_party.install(packages, "spinning", third_party.PRETEXT, {"pretexts": point | good})
    found = {one.name: one for one in lookup.installed_plugins("pretext")}
    assert found["spun"].plugin is not None
    [name] = point
    assert found[name].plugin is None
    with pytest.raises(PluginError, match=message):
        raise PluginError(found[name].problem)
    with pytest.raises(PluginError, match=message):
        lookup.origin("pretext", name)
    assert lookup.find("pretext", "spun").name == "spun"


def test_two_packages_must_not_share_a_name(packages):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING)
    third_party.install(packages, "turning", third_party.PRETEXT, SPINNING)
    with pytest.raises(PluginError, match=r"'spun' comes from spinning 0\.1 and turning 0\.1; uninstall all but one"):
        lookup.find("pretext", "spun")


def test_the_origin_follows_version_and_code(packages):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING)
    first = lookup.origin("pretext", "spun")
    assert first.startswith("spinning 0.1, spinning.py ")
    (packages / "spinning.py").write_text(third_party.PRETEXT + "\n")
    entry_points.origin.cache_clear()
    assert lookup.origin("pretext", "spun") != first
    assert lookup.origin("pretext", "rotation") is None


def origin_of(name):
    entry_points.origin.cache_clear()
    return lookup.origin("pretext", name)


def test_the_origin_follows_the_files_that_its_code_imports(packages):
    """A loss beside the plug-in decides its numbers as much as the file that asks for it."""
    (packages / "parts").mkdir(parents=True)
    code = "def plain():\n    'One.'\n    from losses import one\n    import json, labeleff.api, parts.views\n"
    for name, text in {"spinning": code, "losses": "import deeper\n", "deeper": "x = 1\n", "other": "x = 1\n"}.items():
        (packages / f"{name}.py").write_text(text)
    (packages / "parts" / "__init__.py").write_text("")
    (packages / "parts" / "views.py").write_text("from . import crops\n")
    (packages / "parts" / "crops.py").write_text("x = 1\n")
    before = origin_of("spinning:plain")
    assert before.startswith("no package, spinning.py with 4 imported files ")
    for name in ("other.py", "parts/__init__.py"):
        (packages / name).write_text("\n" if name == "other.py" else "")
        assert origin_of("spinning:plain") == before
    for name in ("deeper.py", "parts/crops.py", "losses.py", "spinning.py"):
        (packages / name).write_text((packages / name).read_text() + "\n")
        assert origin_of("spinning:plain") != before
        before = origin_of("spinning:plain")


def test_the_origin_of_an_installed_package_is_of_its_own_files_alone(packages):
    (packages / "turned").mkdir(parents=True)
    (packages / "turned" / "__init__.py").write_text("from turned.spin import plain\n")
    (packages / "turned" / "spin.py").write_text("import other\ndef plain():\n    'One.'\n")
    third_party.install(packages, "other", "x = 1\n", {})
    before = origin_of("turned.spin:plain")
    assert before.startswith("no package, spin.py with 1 imported file ")
    (packages / "other.py").write_text("x = 2\n")
    assert origin_of("turned.spin:plain") == before
    (packages / "turned" / "__init__.py").write_text("from turned.spin import plain  # again\n")
    assert origin_of("turned.spin:plain") != before
    for name in ("turned", "turned.spin", "other"):
        sys.modules.pop(name, None)


def test_what_records_say_stands_in_for_a_package_that_is_gone(packages):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING)
    gone = declaration.Plugin("gone", "of the past", "nowhere:x", options={"depth": 2.0}, trained=False, loaded=True)
    old = declaration.Plugin("spun", "as it was", "spinning:pretrain", options={"other": 1})
    entry_points.recall({"pretext gone": gone, "pretext nowhere:x": gone, "pretext spun": old})
    assert lookup.complete("pretext", "gone", {}).options == {"depth": 2.0}
    assert lookup.find("pretext", "nowhere:x") is gone
    assert lookup.complete("pretext", "spun", {}).options == {"holdout": 0.1}  # what is installed comes first
    with pytest.raises(UnknownNameError, match="unknown protocol 'gone'"):
        lookup.find("protocol", "gone")
    with pytest.raises(PluginError, match="ModuleNotFoundError"):
        lookup.find("protocol", "nowhere:x")


def test_a_plugin_survives_its_records():
    plugin = declaration.Plugin(
        "mine",
        "all of it",
        "a.b:c",
        options={"depth": 2.0, "wide": True, "count": 3, "kind": "x"},
        required=("kind",),
        choices={"kind": ("x", "y"), "count": (1, 3)},
        limits={"depth": 4.0},
        pool=7,
        needs=("numpy", "extra"),
        goal="depth",
    )
    entry = factories.run_entry(factories.study(), plugins={"pretext mine": plugin})
    [again] = RunEntry.model_validate_json(entry.model_dump_json()).plugins.values()
    assert again == plugin
    assert [type(value) for value in again.options.values()] == [float, bool, int, str]


def study(folder):
    path = toy_study.write(folder)
    path.write_text(path.read_text().replace('"rotation/', '"spun/').replace("[budget.rotation]", "[budget.spun]"))
    return path


def test_a_study_names_them_like_any_other_and_other_code_isnt_mixed(packages, command, tmp_path):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING | {"tasks": {"broken/task": "nowhere:x"}})
    path, out = study(tmp_path), tmp_path / "out"
    assert load_study(str(path)).arms[1].pretext.name == "spun"
    done = command("run", path, "--out", out, "--offline", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| pretext spun +\| spinning 0\.1, spinning\.py [0-9a-f]{12}", (out / "details.md").read_text())
    (packages / "spinning.py").write_text(third_party.PRETEXT + "\n")
    done = command("run", path, "--out", out, "--offline", "--jobs", 1)
    assert done.returncode == 2
    assert "plugins of pretext spun = spinning 0.1, spinning.py " in done.stderr


def beside(folder, code=third_party.PRETEXT):
    """A study, and beside it the module of the pretext that it names by its path."""
    folder.mkdir()
    (folder / "spinning.py").write_text(code)
    path = toy_study.write(folder)
    few = ["scratch/linear", "spinning:PLUGIN/linear"]
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("arms", "rungs", "draws"))]
    text = "\n".join(lines).replace("rotation]", '"spinning:PLUGIN"]').partition("[budget.finetune]")[0]
    keys = f"arms = {few}\nbaseline = '{few[0]}'\nrungs = [20]\nallow_one_rung = true\ndraws = 1\n"
    path.write_text(text.replace("encoders", f"{keys}encoders"))
    return path


def test_a_module_beside_a_study_is_found_from_anywhere_and_by_workers(packages, command, tmp_path):
    path, out = beside(tmp_path / "mine"), tmp_path / "out"
    done = command("run", path, "--out", out, "--offline", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    lines = (out / "records.jsonl").read_text().splitlines(keepends=True)
    (out / "records.jsonl").write_text("".join(lines[:-1]))
    done = command("run", path, "--out", out, "--offline", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    (path.parent / "spinning.py").unlink()
    assert command("report", out).returncode == 0
    done = command("plan", path)
    assert done.returncode == 2
    assert f"looked for spinning.py in {path.parent}, where the study is, and in Python's path" in done.stderr


def test_a_module_beside_a_study_hides_nothing_that_is_installed(packages, tmp_path):
    path = beside(tmp_path / "mine")
    (path.parent / "colorsys.py").write_text("raise RuntimeError")
    load_study(path)
    assert sys.path[-1] == str(path.parent)
    assert not hasattr(importlib.import_module("colorsys"), "PLUGIN")
    other = beside(tmp_path / "other", third_party.PRETEXT + "\n")
    with pytest.raises(StudyError, match=r"other/spinning.py: Python takes another module .*mine/spinning.py; rename"):
        load_study(other)


def test_list_shows_them_and_what_is_broken(packages, command):
    third_party.install(packages, "spinning", third_party.PRETEXT, SPINNING | {"tasks": {"broken/task": "nowhere:x"}})
    done = command("list")
    assert done.returncode == 0
    assert "rotation by another name; from spinning 0.1" in done.stdout
    assert "broken, from spinning 0.1" in done.stdout
