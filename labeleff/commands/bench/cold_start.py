"""One timed training step in a new process.

Run as `python -m labeleff.commands.bench.cold_start ENCODER DEVICE PRECISION`.

It prints seconds on the clock that all processes of a machine share (`time.time`): when torch was imported, when data
and model were built, and when the first step was done.
"""

from __future__ import annotations

import json
import sys
import time


def first_step(encoder: str, device: str, precision: str) -> dict[str, float]:
    """Do one step of a training from scratch, through the library's own queue; returns the three times."""
    import torch  # noqa: F401  its import is one of the three times

    imported = time.time()
    from labeleff.catalogue import lookup
    from labeleff.catalogue.declaration import Spec
    from labeleff.commands.bench.workloads import budget, made_images, made_stories, prepare_protocol
    from labeleff.plugins.encoders.interface import build_encoder
    from labeleff.study.cell import Augment
    from labeleff.training.device import choose, one_core, pick_device

    one_core()
    spec = Spec.model_validate_json(encoder)
    compute = choose(spec.name, precision, pick_device(device))
    stories = lookup.find("encoder", spec.name).examples == "stories"
    batch = 32 if stories else 64
    loaded = made_stories("1k", compute) if stories else made_images(batch, 1, compute)
    table = budget(batch, 1, batch, augment=Augment(crop=0 if stories else 4))
    protocol = lookup.complete("protocol", "finetune", {})
    net = build_encoder(spec, 0, loaded.task.text)
    ready = prepare_protocol(loaded, protocol, table, batch, compute, net, 0)
    built = time.time()
    ready.fit(table, compute, lambda *_: None)
    return {"imported": imported, "built": built, "stepped": time.time()}


if __name__ == "__main__":
    print(json.dumps(first_step(*sys.argv[1:4])))
