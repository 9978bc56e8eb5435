"""A job runner that trains nothing, so that engines run in a moment; its workers die on request."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import torch
from torch import nn

from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.jobs import Pretrain
from labeleff.training.encoder_cache import EncoderCache, state_sha256


class FakeBench:
    """Accuracies are numbers of keys. A file named as a key in the data folder says how often its worker dies."""

    def __init__(self, settings):
        self.settings = settings
        self.device = torch.device(settings.options.device)
        self.cache = EncoderCache(settings.options.cache)

    def load(self, spec):
        return SimpleNamespace(fingerprint=f"bytes of {spec.label}")

    def cache_key(self, pretraining):
        return pretraining.key

    def perform(self, job, progress):
        if isinstance(job, Pretrain):
            self._die(job.pretraining.key)
            yield self._pretrained(job.pretraining)
        for number, cell in enumerate(job.cells):
            self._die(cell.key)
            progress(number, len(job.cells), 0.5, 100.0)
            yield Record(
                run=self.settings.run, key=cell.key, cell=cell, status="ok", metrics={"accuracy": made(cell.key)}
            )

    def _pretrained(self, asked):
        encoder = nn.Linear(2, 2, bias=False)
        nn.init.constant_(encoder.weight, made(asked.key))
        known = {"run": self.settings.run, "key": asked.key, "pretraining": asked, "status": "ok"}
        record = PretrainingRecord(**known, encoder_sha256=state_sha256(encoder))
        self.cache.save(asked.key, encoder, record)
        return record

    def _die(self, key):
        left = self.settings.options.data / key
        if key and left.exists() and (deaths := int(left.read_text())):
            left.write_text(str(deaths - 1))
            os.kill(os.getpid(), signal.SIGKILL)


def made(key):
    return int(key[:6], 16) / 2**24


class Board:
    """A display that notes what it is told."""

    def __init__(self):
        self.doing, self.names, self.cells = {}, [], 0

    def started(self, worker, job):
        assert worker not in self.doing
        self.doing[worker] = job
        self.names.append(job.name)

    def advanced(self, worker, *news):
        assert worker in self.doing
        assert len(news) == 4

    def finished(self, worker, job):
        del self.doing[worker]
        self.cells += len(job.cells)


class Choosy:
    """A limit with time for single cells alone that need no encoder; it notes what it learns."""

    def __init__(self):
        self.learned = []

    def fits(self, job, waiting):
        assert job in waiting
        return len(job.cells) == 1 and not job.needs

    def learn(self, job, seconds):
        assert seconds >= 0
        self.learned.append(job)
