"""Weak points of the data: leaks, copies, equal images, absent classes, modes that tell classes, files not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labeleff.reporting.markdown import join_texts
from labeleff.reporting.results import Results

MOST = 10
"""Most names of classes that a sentence lists."""


def warnings(results: Results) -> Iterator[str]:
    """What makes accuracies wrong or worthless, in one line per task, for the top of the report."""
    for task, facts in results.run.tasks.items():
        grave = [*_grave(facts)]
        if grave:
            yield f"> **Mind the data** of {task}: {'; '.join(grave)}. See the first weak points."


def _grave(facts: Mapping[str, Any]) -> Iterator[str]:
    if leaked := _count(facts, "test images in training"):
        yield f"{leaked:,} of {facts['test']:,} test images are training images{_equality(facts, leaked)}"
    for split in facts.get("all images equal", ()):
        yield f"all {split} images are equal"
    if facts.get("modes of some classes"):
        yield "how an image is stored tells its class"


def _count(facts: Mapping[str, Any], name: str) -> int:
    """A count among the checks of a task's images; 0 where records of earlier versions have none."""
    return int(facts.get("checks", {}).get(name, 0))


def flags(results: Results) -> Iterator[str]:
    """One sentence per weakness of the data of every task, the gravest first."""
    for task, facts in results.run.tasks.items():
        yield from _leaks(task, facts)
        yield from _near_duplicates(task, facts)
        yield from _modes(task, facts)
        yield from _copies(task, facts)
        yield from _classes(task, facts)
        yield from _grey(results, task, facts)
        if unread := facts.get("not read"):
            yield f"**Files not read** of {task}: {join_texts(f'{count:,} {why}' for why, count in unread.items())}."


def _leaks(task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    for split in facts.get("all images equal", ()):
        yield (
            f"**Equal images** in {task}: all {facts['train' if split == 'training' else 'test']:,} {split} images are "
            "the same, pixel by pixel, so nothing can be learned or told apart; look at how they were read."
        )
    if leaked := _count(facts, "test images in training"):
        yield (
            f"**Leak** in {task}: {leaked:,} of {facts['test']:,} test images ({leaked / facts['test']:.1%}) are also "
            f"training images{_equality(facts, leaked) or ', pixel by pixel'}, so accuracies and pretexts count what "
            "was seen in training."
        )
    if mixed := _count(facts, "equal images of different classes"):
        plural = f"{mixed:,} images are" if mixed > 1 else "1 image is"
        yield f"**Contradicting labels** in {task}: {plural} found under more than one class, pixel by pixel."


def _near_duplicates(task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """What was found of near-duplicates where they were looked for; nothing where there are none."""
    if not (near := facts.get("near-duplicates")) or not near["found"]:
        return
    things = "test items" if "cosine" in near else "test images"
    share = f"{near['found']:,} of {near['of']:,} {things} ({near['found'] / near['of']:.1%})"
    kinds = (("equal it, pixel by pixel", near.get("equal", 0)), ("mirror it", near.get("mirrored", 0)))
    counts = "; ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    effect = (
        "they are left out of the test split, so accuracies are of the others"
        if near["left out"]
        else "so accuracies also count what was nearly seen in training"
    )
    yield (
        f"**Near-duplicates** in {task}: {share} have a near-duplicate among the training pool"
        f"{f' ({counts})' if counts else ''}, {effect}."
    )


def _equality(facts: Mapping[str, Any], leaked: int) -> str:
    """How leaked images equal training images; empty where they have no files, and in records of earlier versions."""
    if (same := facts.get("test files in training")) is None:
        return ""
    return f", {same:,} byte for byte" + (f" and {leaked - same:,} more pixel for pixel" if leaked > same else "")


def _modes(task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    if telling := facts.get("modes of some classes"):
        texts = join_texts(f"{mode} in {_listed(classes)} alone" for mode, classes in telling.items())
        yield (
            f"**Modes tell classes** in {task}: training images are stored as {texts}, so a network may learn how they "
            "were stored in place of what they show."
        )


def _copies(task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    among, train, test = (_count(facts, f"copies {where}") for where in ("among labelled", "in training", "in test"))
    if train or test:
        yield (
            f"**Copies** in {task}: {train:,} of {facts['train']:,} training and {test:,} of {facts['test']:,} test "
            f"images repeat another of their split, pixel by pixel; a draw at the largest rung has up to {among:,} "
            "among its labelled ones, which count as labels and tell nothing new."
        )


def _classes(task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    effects = {"training": "can't be learned", "test": "aren't tested"}
    for split, effect in effects.items():
        if absent := facts.get(f"classes without {split} images"):
            yield (
                f"**Classes on one side** of {task}: {len(absent)} of {len(facts['classes'])} classes have no {split} "
                f"image and {effect}: {_listed(absent)}."
            )


def _grey(results: Results, task: str, facts: Mapping[str, Any]) -> Iterator[str]:
    by_colour = {arm.pretext.name for arm in results.study.arms if arm.pretext_plugin.split}
    if facts.get("grey") and by_colour:
        yield (
            f"**Grey images** in {task}: there is no colour in training, from which {', '.join(sorted(by_colour))} "
            "would learn."
        )


def _listed(names: list[str]) -> str:
    """Names, up to MOST of them."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
