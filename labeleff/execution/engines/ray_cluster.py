"""A Ray cluster: one started on this machine, or the one at an address."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from labeleff.errors import OptionError
from labeleff.execution.engines.desk import Desk
from labeleff.execution.engines.engine_table import EngineFor, JobResources, job_resources
from labeleff.scheduling.run_options import RunOptions
from labeleff.training.device import pick_device

PATIENCE = 5.0
"""Seconds that an address has to answer."""
STORE = 512 * 2**20
"""Bytes of shared memory for objects on their way between processes, in a cluster that the run starts."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns about CUDA_VISIBLE_DEVICES
    "RAY_gcs_rpc_server_connect_timeout_s": "5",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to, and the resources that a job takes."""

    job: JobResources
    limit: int | None = None
    """Most jobs side by side; None is as many as there is room for."""

    def places(self) -> int:
        """Count the jobs that can be done side by side now; nodes come and go."""
        import ray

        return self.room(ray.cluster_resources())

    def room(self, total: Mapping[str, float]) -> int:
        """Count the jobs that can be done side by side with the given resources."""
        places = self.job.places(total)
        return places if self.limit is None else min(places, self.limit)


@contextlib.contextmanager
def start_cluster(processors: int, gpus: int, job: JobResources) -> Iterator[Cluster]:
    """Start a cluster on this machine that ends with the block; it sends nothing to anybody and prints nothing."""
    sizes = {"num_cpus": processors, "num_gpus": gpus, "object_store_memory": STORE}
    with _connection({"address": "local", **sizes}):  # else Ray would join what it finds running
        yield Cluster(job)


@contextlib.contextmanager
def join_cluster(address: str, job: JobResources, limit: int | None) -> Iterator[Cluster]:
    """Join the cluster at HOST:PORT, or with `auto` the one on this machine; this process's tasks end with the block.

    Raises OptionError where there is none, or it has no room for a single job.
    """
    _check_address(address)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_connection({"address": address}))
        except (ConnectionError, RuntimeError, ValueError, AssertionError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise OptionError(f"--ray-address {address}: can't join a Ray cluster there: {first}") from error
        cluster = Cluster(job, limit)
        if cluster.places() < 1:
            what = f"a processor and {job.gpus:g} of a GPU" if job.gpus else "a processor"
            raise OptionError(f"--ray-address {address}: the cluster has no node with {what}, which a job takes")
        yield cluster


def _check_address(address: str) -> None:
    """Raise OptionError where an address is malformed or no cluster answers; Ray itself would wait for minutes."""
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
    script = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check", "--address", address]
    try:
        check = subprocess.run(
            script, env=os.environ | QUIET, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OptionError(f"--ray-address {address}: what answers there is no Ray cluster") from error
    if "AuthenticationError" in check.stderr:
        raise OptionError(
            f"--ray-address {address}: the cluster wants its token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH "
            "to the file that has it where that isn't ~/.ray/auth_token"
        )
    if check.returncode:
        raise OptionError(f"--ray-address {address}: the Ray cluster there doesn't work: {_last_line(check.stderr)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


@contextlib.contextmanager
def _connection(arguments: Mapping[str, object]) -> Iterator[None]:
    """Connect to a cluster, or start one, with the given arguments of `ray.init`; disconnect after the block."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    with _restored_signals():
        import ray

        try:
            ray.init(**arguments, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except BaseException:
            ray.shutdown()
            raise
    try:
        yield
    finally:
        with _restored_signals():
            ray.shutdown()


@contextlib.contextmanager
def _restored_signals() -> Iterator[None]:
    """Restore the handlers of signals after the block: Ray takes SIGTERM at its import and at every start."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def open_engine(desk: Desk) -> Iterator[EngineFor]:
    """Open the engine that does jobs as Ray tasks, on a cluster started for the run or on one that it joins."""
    with cluster_of(desk.settings.options) as cluster:
        from labeleff.execution.engines.ray_driver import RayTasks  # imports ray: after the signals are restored

        engine = RayTasks(desk.runner, lambda: desk.facts.conditions, cluster)
        yield lambda _: engine


@contextlib.contextmanager
def cluster_of(options: RunOptions) -> Iterator[Cluster]:
    """Start or join the cluster that a run's options name.

    `jobs` is the number of processors of a cluster that is started (else all `cores`), and a limit in a joined one.
    """
    if ":" in options.device:
        raise OptionError(
            f"--device {options.device}: with --engine ray expected auto, cpu or cuda; Ray shares out the GPUs"
        )
    kind = pick_device(options.device).type
    job = job_resources(kind, options.gpu_share)
    if options.gpu_share is not None and not job.gpus:
        raise OptionError(f"--gpu-share {options.gpu_share}: the device is {kind}, expected cuda")
    gpus = torch.cuda.device_count() if job.gpus else 0
    address, processors = options.ray_address, options.jobs or options.cores
    with join_cluster(address, job, options.jobs) if address else start_cluster(processors, gpus, job) as cluster:
        yield cluster
