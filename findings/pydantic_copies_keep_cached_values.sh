#!/usr/bin/env bash
# A frozen pydantic model copied with changed fields keeps what the original had cached.
#
# One would guess: `copy = model.model_copy(update={"rate": 0.2})` is a model with another rate, and a
# `functools.cached_property` that derives a key from the fields is computed for the copy when it is asked for.
# What happens: model_copy copies the instance's dictionary, in which cached_property keeps its value, so that the copy
# answers with the key of the original, but only where that key was asked for before the copy was made.
# Why it matters: experiments are commonly named by a hash of their settings, cached since it is asked for often. A
# variant made by model_copy then bears the name of the experiment it was made from: results of two settings are
# recorded, resumed and averaged as one, depending on the order in which things were printed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "pydantic==2.12.3"
cat > "$folder/show.py" <<'PY'
import dataclasses
import functools
import hashlib
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict


def key_of(rate):
    return hashlib.sha256(f"rate {rate}".encode()).hexdigest()[:8]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True)
    rate: float

    @functools.cached_property
    def key(self):
        return key_of(self.rate)


@dataclasses.dataclass(frozen=True)
class Plain:
    rate: float

    @functools.cached_property
    def key(self):
        return key_of(self.rate)


print("pydantic", version("pydantic"))
right = key_of(0.2)
unread, read = Model(rate=0.1), Model(rate=0.1)
original = read.key
outcomes = {
    "model_copy, key not read before": unread.model_copy(update={"rate": 0.2}).key == right,
    "model_copy, key read before": read.model_copy(update={"rate": 0.2}).key == right,
    "model_copy(deep=True), key read before": read.model_copy(update={"rate": 0.2}, deep=True).key == right,
    "made anew from model_dump, key read before": Model(**{**read.model_dump(), "rate": 0.2}).key == right,
}
plain = Plain(0.1)
_ = plain.key
outcomes["dataclasses.replace, key read before"] = dataclasses.replace(plain, rate=0.2).key == right
for case, correct in outcomes.items():
    print(f"{case}: {'its own key' if correct else 'the key of the original'}")
copy = read.model_copy(update={"rate": 0.2})
assert copy.rate == 0.2
assert copy.key == original
assert list(outcomes.values()) == [True, False, False, True, True], outcomes
PY
"$folder/venv/bin/python" "$folder/show.py"
