"""Tracks as TensorBoard's event files: one per track, the same bytes from the same records.

An open TensorBoard reads a file once and goes on to those whose names sort after it. So what has changed is written
under the next name, and the file before it is emptied (where it is gone, the loader in Python waits for it for ever).
What was read of that is dropped by the mark of a new session,
with which every file begins (the loader in Python), or as a series begins again at its first step (the data server).
"""

from __future__ import annotations

import datetime
import io
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeleff.commands.track.series import Points, Track, Tracks
from labeleff.files import write_together

FILE = "events.out.tfevents.labeleff"
"""Beginning of the name of an event file, by whose middle TensorBoard finds it; a number follows."""
FOLDER = "tensorboard"
LONGEST = 200
"""Most characters of a track's name in the name of its folder."""


def write(content: Tracks, out: Path) -> str:
    """Write the tracks into `out`/tensorboard, over what an earlier call wrote there; returns where they are."""
    when = datetime.datetime.fromisoformat(content.started).timestamp()
    files: dict[str, bytes] = {}
    replaced: list[Path] = []
    folders = _folders(content.tracks)
    for folder, track in folders.items():
        earlier = sorted((out / FOLDER / folder).glob(f"{FILE}*"))
        new = _file(track.series, {**content.facts, **track.facts}, when)
        if not earlier or earlier[-1].read_bytes() != new:
            files[f"{folder}/{_next(earlier)}"] = new
            replaced += earlier[-1:]
    write_together(out / FOLDER, files)
    gone = [path for path in (out / FOLDER).glob(f"*/{FILE}*") if path.parent.name not in folders]
    for path in (*replaced, *gone):
        path.write_bytes(b"")
    return f"tensorboard --logdir {shlex.quote(str(out / FOLDER))}"


def _next(earlier: Sequence[Path]) -> str:
    """Name of a file that sorts after the earlier ones."""
    last = earlier[-1].name.removeprefix(f"{FILE}.") if earlier else "0"
    return f"{FILE}.{int(last) + 1 if last.isdecimal() else 1:08}"


def _folders(content: Sequence[Track]) -> dict[str, Track]:
    """Name a folder for each track; TensorBoard shows these names."""
    named: dict[str, Track] = {}
    for track in content:
        plain = re.sub(r"[^\w.,()= -]+", " ", track.name).strip(". ")[:LONGEST]
        names = itertools.chain([plain], (f"{plain} {number}" for number in itertools.count(2)))
        named[next(name for name in names if name not in named)] = track
    return named


def _file(series: Mapping[str, Points], facts: Mapping[str, str], when: float) -> bytes:
    from tensorboard.summary.writer.record_writer import RecordWriter

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in _events(series, facts, when):
        writer.write(event.SerializeToString(deterministic=True))
    return stream.getvalue()


def _events(series: Mapping[str, Points], facts: Mapping[str, str], when: float) -> Iterator[Any]:
    """Yield the version that readers expect first, a new session, the facts as a table, then every point."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary

    yield Event(wall_time=when, file_version="brain.Event:2")
    yield Event(wall_time=when, step=0, session_log=SessionLog(status=SessionLog.START))
    yield Event(wall_time=when, step=0, summary=Summary(value=[_text("facts", facts)]))
    for name, points in series.items():
        for step, value in points:
            scalar = Summary.Value(tag=name, simple_value=value)
            yield Event(wall_time=when, step=step, summary=Summary(value=[scalar]))


def _text(tag: str, facts: Mapping[str, str]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    rows = "\n".join(f"| {key} | {' '.join(value.split()).replace('|', '/')} |" for key, value in facts.items())
    table = f"| fact | value |\n|---|---|\n{rows}".encode()
    tensor = TensorProto(dtype=DT_STRING, string_val=[table], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=tag, metadata=create_summary_metadata(tag, ""), tensor=tensor)
