"""A Ray cluster: the one at an address, or one of its own on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from labeleff.errors import OptionError
from labeleff.execution.engines.choice import Asked, EngineFor, asked
from labeleff.execution.job_runner import JobRunner
from labeleff.records.entries import Conditions
from labeleff.scheduling.run_options import RunOptions
from labeleff.training.device import pick_device

PATIENCE = 5.0
"""Seconds in which an address must answer."""
STORE = 512 * 2**20
"""Bytes of shared memory for what is on its way between processes, in a cluster of one's own."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what it does with CUDA_VISIBLE_DEVICES
    "RAY_gcs_rpc_server_connect_timeout_s": "5",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to, and what a job takes of it."""

    asked: Asked
    most: int | None = None
    """Jobs side by side, at most; None is as many as there is room for."""

    def places(self) -> int:
        """Jobs that can be done side by side now; nodes come and go."""
        import ray

        return self.room(ray.cluster_resources())

    def room(self, total: Mapping[str, float]) -> int:
        """The same of given resources."""
        places = self.asked.places(total)
        return places if self.most is None else min(places, self.most)


@contextlib.contextmanager
def own(processors: int, gpus: int, asked: Asked) -> Iterator[Cluster]:
    """A cluster on this machine, that ends with the block; it sends nothing to anybody and prints nothing."""
    sizes = {"num_cpus": processors, "num_gpus": gpus, "object_store_memory": STORE}
    with _connected({"address": "local", **sizes}):  # else Ray would join what it finds running
        yield Cluster(asked)


@contextlib.contextmanager
def joined(address: str, asked: Asked, most: int | None) -> Iterator[Cluster]:
    """The cluster at HOST:PORT, or with `auto` the one on this machine; its tasks of this process end with the block.

    Raises OptionError where there is none, or it has no room for a single job.
    """
    _answers(address)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_connected({"address": address}))
        except (ConnectionError, RuntimeError, ValueError, AssertionError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise OptionError(f"--ray-address {address}: can't join a Ray cluster there: {first}") from error
        cluster = Cluster(asked, most)
        if cluster.places() < 1:
            what = f"a processor and {asked.gpus:g} of a GPU" if asked.gpus else "a processor"
            raise OptionError(f"--ray-address {address}: the cluster has no node with {what}, which a job takes")
        yield cluster


def _answers(address: str) -> None:
    """Raise OptionError where an address is none, or nobody answers there: Ray would wait for minutes."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and "/" not in host and port.isdecimal() and int(port) < 2**16):
        raise OptionError(f"--ray-address {address!r}: expected HOST:PORT, as `ray start --head` prints it, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except OSError as error:
        raise OptionError(
            f"--ray-address {address}: nobody answers there ({error}); is `ray start --head` running?"
        ) from error
    asking = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check", "--address", address]
    try:
        asked_it = subprocess.run(
            asking, env=os.environ | QUIET, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OptionError(f"--ray-address {address}: what answers there is no Ray cluster") from error
    if "AuthenticationError" in asked_it.stderr:
        raise OptionError(
            f"--ray-address {address}: the cluster wants its token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH "
            "to the file that has it where that isn't ~/.ray/auth_token"
        )
    if asked_it.returncode:
        raise OptionError(f"--ray-address {address}: the Ray cluster there doesn't work: {_last(asked_it.stderr)}")


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


@contextlib.contextmanager
def _connected(arguments: Mapping[str, object]) -> Iterator[None]:
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    with _own_signals():
        import ray

        try:
            ray.init(**arguments, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except BaseException:
            ray.shutdown()
            raise
    try:
        yield
    finally:
        with _own_signals():
            ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, at its import and at every start; give it back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def opened(runner: JobRunner, conditions: Callable[[], Conditions]) -> Iterator[EngineFor]:
    """Jobs as Ray tasks, on a cluster of one's own or a joined one."""
    with cluster_of(runner.settings.options) as cluster:
        from labeleff.execution.engines.ray_driver import (
            RayTasks,  # imports ray, which by now has given the signals back
        )

        engine = RayTasks(runner, conditions, cluster)
        yield lambda _: engine


@contextlib.contextmanager
def cluster_of(options: RunOptions) -> Iterator[Cluster]:
    """The cluster that a run's options ask for.

    `jobs` is how many processors a cluster of one's own has, else all `cores`, and a limit in one that is joined.
    """
    if ":" in options.device:
        raise OptionError(
            f"--device {options.device}: with --engine ray expected auto, cpu or cuda; Ray shares out the GPUs"
        )
    kind = pick_device(options.device).type
    take = asked(kind, options.gpu_share)
    if options.gpu_share is not None and not take.gpus:
        raise OptionError(f"--gpu-share {options.gpu_share}: the device is {kind}, expected cuda")
    gpus = torch.cuda.device_count() if take.gpus else 0
    address, processors = options.ray_address, options.jobs or options.cores
    with joined(address, take, options.jobs) if address else own(processors, gpus, take) as cluster:
        yield cluster
