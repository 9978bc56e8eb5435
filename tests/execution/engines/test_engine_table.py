import importlib.util
import pkgutil

import pytest

from labeleff.errors import OptionError, UnknownNameError
from labeleff.execution.engines import engine_table
from labeleff.execution.engines.engine_table import JobResources, job_resources
from labeleff.scheduling.run_options import RunOptions


def test_local_is_what_nobody_asked_for(tmp_path):
    engine_table.check_engine(RunOptions(tmp_path).engine)


def test_one_table_has_the_code_and_the_help():
    assert engine_table.HELP == "local, or ray (pip install 'labeleff[ray]')."
    for row in engine_table.ENGINES.values():
        assert callable(pkgutil.resolve_name(row.target))


def test_an_unknown_engine_gets_the_list():
    with pytest.raises(UnknownNameError, match=r"did you mean 'ray'\? \(known: local, ray\)"):
        engine_table.check_engine("rai")


@pytest.mark.parametrize(
    ("address", "share", "option"), [("auto", None, "--ray-address auto"), (None, 0.5, "--gpu-share 0.5")]
)
def test_options_of_ray_without_ray(address, share, option):
    with pytest.raises(OptionError, match=f"{option}: found --engine local, expected --engine ray"):
        engine_table.check_engine("local", address, share)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_is_a_part_of_one_gpu(share):
    with pytest.raises(OptionError, match="over 0 and up to 1"):
        engine_table.check_engine("ray", None, share)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OptionError, match=r"pip install 'labeleff\[ray\]'"):
        engine_table.check_engine("ray")


@pytest.mark.parametrize(
    ("gpus", "total", "places"),
    [
        (0.0, {"CPU": 4.0, "memory": 1e9}, 4),
        (0.0, {"CPU": 2.5}, 2),
        (0.0, {}, 0),
        (1.0, {"CPU": 16.0, "GPU": 2.0}, 2),
        (1.0, {"CPU": 16.0}, 0),
        (1.0, {"CPU": 1.0, "GPU": 4.0}, 1),
        (0.5, {"CPU": 16.0, "GPU": 2.0}, 4),
        (0.4, {"CPU": 16.0, "GPU": 2.0}, 4),  # a part lies on one GPU: not five
        (0.1, {"CPU": 16.0, "GPU": 1.0}, 10),
        (0.3333, {"CPU": 16.0, "GPU": 1.0}, 3),
        (0.0001, {"CPU": 64.0, "GPU": 1.0}, 64),
    ],
)
def test_places(gpus, total, places):
    assert JobResources(gpus).places(total) == places


def test_what_a_job_takes():
    assert job_resources("cpu", None) == JobResources(0.0)
    assert job_resources("cuda", None) == JobResources(1.0)
    assert job_resources("cuda", 0.25) == JobResources(0.25)
