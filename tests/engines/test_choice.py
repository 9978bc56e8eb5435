import importlib.util
import pkgutil

import pytest

from labeleff.engines import choice
from labeleff.errors import OptionError, UnknownNameError
from labeleff.run_options import RunOptions


def test_local_is_what_nobody_asked_for(tmp_path):
    choice.check_engine(RunOptions(tmp_path).engine)


def test_one_table_has_the_code_and_the_help():
    assert choice.HELP == "local, or ray (pip install 'labeleff[ray]')."
    for row in choice.ENGINES.values():
        assert callable(pkgutil.resolve_name(row.target))


def test_an_unknown_engine_gets_the_list():
    with pytest.raises(UnknownNameError, match=r"did you mean 'ray'\? \(known: local, ray\)"):
        choice.check_engine("rai")


@pytest.mark.parametrize(
    ("address", "share", "option"), [("auto", None, "--ray-address auto"), (None, 0.5, "--gpu-share 0.5")]
)
def test_options_of_ray_without_ray(address, share, option):
    with pytest.raises(OptionError, match=f"{option}: found --engine local, expected --engine ray"):
        choice.check_engine("local", address, share)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_is_a_part_of_one_gpu(share):
    with pytest.raises(OptionError, match="over 0 and up to 1"):
        choice.check_engine("ray", None, share)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OptionError, match=r"pip install 'labeleff\[ray\]'"):
        choice.check_engine("ray")
