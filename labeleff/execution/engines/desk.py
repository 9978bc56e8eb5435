"""The place from which a run is planned and recorded: what it knows of its data, and who reads them."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labeleff.execution.engines import processes
from labeleff.execution.run_facts import RunFacts, Settings
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import Speeds, read_speeds
from labeleff.study.schema import Study

if TYPE_CHECKING:
    from labeleff.execution.job_runner import JobRunner

CPU = {"auto", "cpu"}
"""Devices of the command line that may be the CPU."""


def leaves_data(jobs: int | None, cores: int, device: str = "auto", engine: str = "local") -> bool:
    """Whether a run leaves torch and all data to other processes, as far as its options tell.

    It does where workers are asked for, and where there may be some and a process more costs little: processes are
    forked, and this one hasn't torch already.
    """
    if engine != "local" or device not in CPU:
        return False
    return jobs > 1 if jobs is not None else cores > 1 and processes.FORKS and "torch" not in sys.modules


class Desk:
    """A study with its settings, what is known of its data, and the runner of this process where it has one."""

    def __init__(self, study: Study, settings: Settings, progress: Callable[[int, int, str], None]) -> None:
        self.study, self.settings, self._progress = study, settings, progress
        options = settings.options
        self.apart = leaves_data(options.jobs, options.cores, options.device, options.engine)
        """Whether this process neither imports torch nor reads data, which others do."""
        for arm in (arm for block in study.blocks for arm in block.arms):
            arm.check_installed()
        if not self.apart:
            self._check_here()

    def _check_here(self) -> None:
        """Raise OptionError, before a folder is made, where a device is unknown or a plug-in isn't installed."""
        from labeleff.execution.preparation.preflight import check_installed

        check_installed(self.study)
        assert self.runner.device

    @functools.cached_property
    def runner(self) -> JobRunner:
        """The runner of this process; raises OptionError for an unknown device."""
        from labeleff.execution.job_runner import JobRunner
        from labeleff.training.examples import Source

        options: RunOptions = self.settings.options
        return JobRunner(self.settings, Source(options.data, options.offline, self._progress, base=options.base))

    def tell(self, **changes: Any) -> None:
        """Change settings before anything is read: those of the runner of this process, too."""
        self.settings = dataclasses.replace(self.settings, **changes)
        if "runner" in self.__dict__:
            self.runner.settings = self.settings

    @staticmethod
    def makes_runner(settings: Settings) -> JobRunner:
        """Make the runner of a worker process."""
        from labeleff.execution.job_runner import JobRunner

        return JobRunner(settings)

    @functools.cached_property
    def facts(self) -> RunFacts:
        """What the run needs to know of data and device; raises the LabeleffError of the first check that fails."""
        if self.apart:
            name = "labeleff.execution.preparation.fact_finding:find_facts_apart"
            found: RunFacts | None = processes.call_apart(name, self.study, self.settings, hear=self._progress)
            if found is not None:
                return found
            self.apart = False  # an accelerator, whose jobs are this process's
        from labeleff.execution.preparation.fact_finding import find_facts

        return find_facts(self.study, self.runner)

    @functools.cached_property
    def speeds(self) -> Speeds:
        """Measured speeds of the device as they are remembered when the run begins."""
        return read_speeds(self.settings.options.cache, self.facts.machine.name)
