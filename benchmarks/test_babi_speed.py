"""Training the memory network on one CPU thread, batch 32: labeleff's trainer against a plain eager loop, in turns."""

import statistics
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.study.cell import Budget
from labeleff.training.device import choose
from labeleff.training.examples import Source, load_task
from labeleff.training.loop import train
from labeleff.training.slots import Slot
from labeleff.training.stories import resident

BATCH, STEPS, ROUNDS = 32, 150, 7
STORIES = BATCH * STEPS
LEAST = 8_000
"""Stories per second that the trainer has to reach."""


class Plain(nn.Module):
    """The memory network as it is usually written."""

    def __init__(self, rows, story, question):
        super().__init__()
        self.match, self.answer = nn.Embedding(rows, 64), nn.Embedding(rows, question)
        self.question = nn.Embedding(rows, 64)
        self.lstm = nn.LSTM(story + 64, 32, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.dense = nn.Linear(32, rows)

    def forward(self, story, question):
        query = self.dropout(self.question(question))
        match = torch.softmax(self.dropout(self.match(story)) @ query.mT, dim=-1)
        response = (match + self.dropout(self.answer(story))).mT
        _, (state, _) = self.lstm(torch.cat((response, query), dim=-1))
        return self.dense(self.dropout(state[-1]))


@pytest.fixture(scope="module")
def task():
    spec = lookup.complete("task", "babi/qa1", {"source": "generated"})
    return load_task(spec, Source(Path("none"), offline=True))


def plain_loop(task):
    """Make a function that runs one epoch of the plain loop and returns its seconds."""
    reader = build_encoder(lookup.complete("encoder", "memnet", {}), 0, task.text)
    story, question = reader._flat(task.train.inputs[:STORIES].to(torch.int64))
    model = Plain(task.text.vocabulary.rows, story.shape[1], question.shape[1]).train()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    loader = DataLoader(TensorDataset(story, question, task.train.labels[:STORIES]), batch_size=BATCH, shuffle=True)

    def epoch():
        began = time.perf_counter()
        for one, other, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(one, other), labels).backward()
            optimizer.step()
        return time.perf_counter() - began

    return epoch


def trainer(task, encoder, options=None):
    """Make a function that trains on the same stories by labeleff's trainer and returns its seconds."""
    compute = choose(encoder, "auto", torch.device("cpu"))
    budget = Budget(optimizer="rmsprop", lr=1e-3, batch=BATCH, epochs=1, warmup=0.0, schedule="constant")
    reader = build_encoder(lookup.complete("encoder", encoder, options or {}), 0, task.text)
    model = nn.Sequential(reader, reader.head(len(task.classes), 0))
    stories = resident(task.train.inputs[:STORIES], None, compute.device)
    labels = task.train.labels[:STORIES]

    def objective(net, batch):
        scores, target = net(batch.images), labels[batch.samples]
        return F.cross_entropy(scores, target), (scores.argmax(1) == target).sum()

    def epoch():
        began = time.perf_counter()
        train([Slot(model, stories, objective, 0)], budget, STEPS, compute)
        return time.perf_counter() - began

    return epoch


def test_memnet_training_against_a_plain_loop(benchmark, task):
    torch.set_num_threads(1)
    plain, ours, solver = plain_loop(task), trainer(task, "memnet"), trainer(task, "qrn")
    plain(), ours(), solver()
    rounds = [(plain(), ours(), solver()) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b, _ in rounds)
    speeds = [[STORIES / round_[which] for round_ in rounds] for which in range(3)]
    benchmark.extra_info |= {
        "speed ratio, median of rounds": ratio,
        "plain loop, stories/s": statistics.median(speeds[0]),
        "trainer, stories/s": statistics.median(speeds[1]),
        "trainer, stories/s, best round": max(speeds[1]),
        "trainer on qrn, stories/s": statistics.median(speeds[2]),
    }
    benchmark.pedantic(ours, rounds=1)
    print({k: round(v, 2) for k, v in benchmark.extra_info.items()})
    assert ratio >= 1.15
    assert max(speeds[1]) >= LEAST
