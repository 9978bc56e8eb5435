"""The conditions of a measurement, and the refusal to mix numbers of different ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from labeleff import catalogue
from labeleff.cell import Spec
from labeleff.device import choose, device_name, torch_release
from labeleff.errors import ConditionError
from labeleff.likeness import unlike
from labeleff.record import Conditions, RunEntry
from labeleff.run import Bench
from labeleff.study import Study


def conditions(study: Study, bench: Bench) -> Conditions:
    """The conditions that this study's numbers would be measured under on this bench."""
    return Conditions(
        device=device_name(bench.device),
        precision={
            e.name: choose(e.name, block.precision, bench.device).precision
            for block in study.blocks
            for e in block.encoders
        },
        torch=torch_release(),
        data={t.label: bench.load(t).fingerprint for block in study.blocks for t in block.tasks}
        | {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in _vectors(study)}
        | {spec.label: bench.weights(spec).sha256 for spec in _outside(study)},
        plugins=plugin_origins(study),
    )


def plugins_used(study: Study) -> dict[str, tuple[catalogue.Kind, str]]:
    """The study's plug-ins of other packages: kind and name by both in words, `pretext quadrant`."""
    used: dict[tuple[catalogue.Kind, str], None] = {}
    for block in study.blocks:
        used |= {("task", spec.name): None for spec in block.tasks}
        used |= {("encoder", spec.name): None for spec in block.encoders}
        for arm in block.arms:
            used |= {("pretext", arm.pretext.name): None, ("protocol", arm.protocol.name): None}
    return {f"{kind} {name}": (kind, name) for kind, name in used if catalogue.origin(kind, name) is not None}


def plugin_origins(study: Study) -> dict[str, str]:
    """Where they come from."""
    origins = {what: catalogue.origin(*which) for what, which in plugins_used(study).items()}
    return {what: origin for what, origin in origins.items() if origin is not None}


def _vectors(study: Study) -> set[str]:
    """Files of word vectors that encoders of the study start from."""
    return {str(e.options["vectors"]) for block in study.blocks for e in block.encoders if e.options.get("vectors")}


def _outside(study: Study) -> list[Spec]:
    """Pretexts of the study whose weights come from outside."""
    return [arm.pretext for block in study.blocks for arm in block.arms if arm.pretext_plugin.loaded]


def check_conditions(runs: Sequence[RunEntry], new: Conditions, folder: Path) -> None:
    """Refuse to go on in a folder whose numbers were measured under other conditions, naming the first."""
    for run in runs:
        for what, before, after in unlike(run.conditions, new):
            _refuse(folder, what, before, after)


def _refuse(folder: Path, what: str, old: str, new: str) -> None:
    raise ConditionError(
        f"{folder}: its records were measured with {what} = {old}, this run has {new}; numbers of different "
        "conditions are not mixed. Choose another folder with --out, or the same conditions"
    )
