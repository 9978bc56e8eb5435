import pytest
import torch
from torch import nn

from labeleff.errors import DataError
from labeleff.records.entries import PretrainingRecord
from labeleff.study.loading import load_study
from labeleff.training.encoder_cache import EncoderCache, state_sha256


@pytest.fixture
def record():
    [pretraining] = load_study("smoke").pretrainings
    return PretrainingRecord(
        run="r", key=pretraining.key, pretraining=pretraining, status="ok", metrics={"accuracy": 1 / 3}
    )


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)


def test_weights_and_record_come_back(tmp_path, record):
    cache, first, second = EncoderCache(tmp_path), network(0), network(1)
    assert cache.record("k") is None
    cache.save("k", first, record)
    cache.load("k", second)
    assert state_sha256(first) == state_sha256(second)
    assert cache.record("k") == record
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == ["k.safetensors"]


@pytest.mark.parametrize("content", [b"", b"junk" * 50])
def test_a_damaged_file_counts_as_missing(tmp_path, record, content):
    cache = EncoderCache(tmp_path)
    cache.save("k", network(0), record)
    (tmp_path / "encoders" / "k.safetensors").write_bytes(content)
    assert cache.record("k") is None


def test_weights_that_changed_on_the_disk_are_refused_and_made_again(tmp_path, record):
    """A file whose head is whole and whose numbers aren't would give other numbers without a word."""
    cache, first = EncoderCache(tmp_path), network(0)
    cache.save("k", first, record.model_copy(update={"encoder_sha256": state_sha256(first)}))
    cache.load("k", network(1))
    path = tmp_path / "encoders" / "k.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert cache.record("k") is not None
    with pytest.raises(DataError, match=r"k\.safetensors: found weights of SHA-256 .*--retry-failed to make"):
        cache.load("k", network(1))
    assert cache.record("k") is None
    with pytest.raises(DataError, match=r"k\.safetensors: the pretrained encoder can't be read: .*--retry-failed"):
        cache.load("k", network(1))


def test_a_folder_that_cannot_be_written_is_named(tmp_path, record):
    (tmp_path / "encoders").write_text("in the way")
    with pytest.raises(DataError, match=r"k\.safetensors: the pretrained encoder can't be stored"):
        EncoderCache(tmp_path).save("k", network(0), record)


def test_the_hash_sees_weights_and_batch_norm_statistics():
    net = network(0)
    before = state_sha256(net)
    assert state_sha256(network(0)) == before
    net[1].running_mean += 1e-6
    assert state_sha256(net) != before
