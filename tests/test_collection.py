"""Garbage collection is off for a stretch, and then as it was."""

import gc

import pytest

from labeleff.collection import without_collection


def failing():
    with without_collection():
        assert not gc.isenabled()
        raise ValueError("x")


@pytest.mark.parametrize("before", [True, False])
def test_it_is_as_it_was(before):
    (gc.enable if before else gc.disable)()
    try:
        with pytest.raises(ValueError, match="x"):
            failing()
        assert gc.isenabled() == before
    finally:
        gc.enable()
