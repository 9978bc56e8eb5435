"""Addresses that no cluster answers at; nothing of Ray is started."""

import socket

import pytest

from labeleff.errors import OptionError
from labeleff.execution.engines import ray_cluster
from labeleff.execution.engines.engine_table import JobResources
from labeleff.scheduling.run_options import RunOptions

pytest.importorskip("ray")


def join(address):
    with ray_cluster.join_cluster(address, JobResources(), None):
        pytest.fail("there is nothing to join")


@pytest.mark.parametrize("address", ["", "here", "host:", ":6379", "host:port", "ray://host:10001", "host:99999"])
def test_what_is_no_address(address):
    with pytest.raises(OptionError, match="expected HOST:PORT"):
        join(address)


def test_an_address_where_nobody_answers():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"127.0.0.1:{port}: nobody answers there"):
            join(f"127.0.0.1:{port}")


def test_an_address_where_something_else_listens(monkeypatch):
    monkeypatch.setattr(ray_cluster, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OptionError, match="is no Ray cluster"):
        join(f"127.0.0.1:{other.getsockname()[1]}")


@pytest.mark.parametrize(
    ("device", "share", "complaint"), [("cuda:1", None, "Ray shares out the GPUs"), ("cpu", 0.5, "expected cuda")]
)
def test_devices_that_ray_cant_share_out(tmp_path, device, share, complaint):
    options = RunOptions(tmp_path, device=device, engine="ray", gpu_share=share)
    with pytest.raises(OptionError, match=complaint), ray_cluster.cluster_of(options):
        pytest.fail("nothing should be started")


def test_a_limit_in_a_joined_cluster():
    assert ray_cluster.Cluster(JobResources(), limit=3).room({"CPU": 8.0}) == 3
    assert ray_cluster.Cluster(JobResources(), limit=3).room({"CPU": 2.0}) == 2
