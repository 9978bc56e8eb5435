"""Exact counts of torch's operations in a training step: equal on every machine, so that any growth fails.

Dispatched operations that aren't views are counted. On a GPU each is about a kernel, and at these sizes their number
decides the time of a step; K packed trainings may need hardly more than one.
"""

import pytest
import torch
from support.operation_counts import Dispatched
from torch import nn

from labeleff.catalogue.lookup import complete
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols.supervised import Supervised
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.packing.lockstep import Lockstep, PackMember
from labeleff.training.slots import Slot, TrainingState

CPU = Compute(torch.device("cpu"), "fp32")
IMAGES = torch.randint(0, 256, (16, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
GATES = {"mobilenet_v2": 403, "resnet9": 126}
"""Most operations of forward pass, loss, backward pass, update and bookkeeping; MobileNetV2 itself has 352."""
DRAWING = 110
"""Most operations of drawing a batch."""
PACKED = 1.05
"""Most operations of four trainings of MobileNetV2, as a multiple of one training's."""
COPIES = 14
"""Most operations of four trainings beyond one's: gradients of grouped convolutions come in another order of memory."""


def lockstep(encoder, slots, **changes):
    """Make a pack of the given number of trainings of an encoder: SGD with momentum and decay, two images each."""
    usual = {"lr": 0.1, "batch": 2, "epochs": 1, "weight_decay": 5e-4, "augment": Augment(crop=4, flip=True)}
    table, members = Budget(**(usual | changes)), []
    options = {"width": 0.125} if encoder == "resnet9" else {}
    for seed in range(slots):
        network = build_encoder(complete("encoder", encoder, options), seed)
        model = nn.Sequential(network, linear_head(network.dim, 10, seed))
        examples = Examples(IMAGES, torch.arange(16) % 10)
        data = LabelledExamples(
            examples, CLASSES, Normalisation.of(IMAGES), CPU.device, augment=table.augment, seed=seed
        )
        members.append(PackMember(seed, TrainingState(Slot(model, data, Supervised(CLASSES), seed), table, 8)))
    return Lockstep(members, CPU, "grouped")


def counts(pack):
    """Count the operations of drawing a batch, and of a whole step."""
    pack.step()
    zeros = torch.zeros(pack.pack.slots, 2, dtype=torch.int64)
    with Dispatched() as drawing:
        pack._bank.batch(zeros, zeros)
    with Dispatched() as whole:
        pack.step()
    return len(drawing.names), len(whole.names)


@pytest.mark.parametrize("encoder", GATES)
def test_operations_of_a_step(encoder):
    drawing, whole = counts(lockstep(encoder, 1))
    _, together = counts(lockstep(encoder, 4))
    print(f"{encoder}: {whole} operations a step, {drawing} of them for drawing; {together} for four as one")
    assert whole - drawing <= GATES[encoder]
    assert drawing <= DRAWING
    assert together <= whole + COPIES
    assert together <= PACKED * whole or encoder != "mobilenet_v2"


@pytest.mark.parametrize(("optimizer", "most"), [("adam", 40), ("adamw", 40), ("rmsprop", 25), ("sgd", 20)])
def test_an_update_is_a_few_operations_however_many_layers(optimizer, most):
    pack = lockstep("resnet9", 2, optimizer=optimizer, clip=1.0)
    pack.step()
    seen = []
    usual = pack._updates.step

    def counting(*arguments):
        with Dispatched() as update:
            usual(*arguments)
        seen.append(len(update.names))

    pack._updates.step = counting
    pack.step()
    print(f"{optimizer}: {seen[0]} operations an update")
    assert seen[0] <= most
