import os
import shutil
import time
import types
from pathlib import Path

import numpy as np
import pytest
import requests

from kmnist_itl import data

needs_kmnist = pytest.mark.skipif(not os.environ.get("KMNIST_DIR"), reason="KMNIST_DIR is not set")


def no_network(monkeypatch, tmp_path):
    """Neither a prepared copy, nor the files, nor the host."""

    def refuse(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests, "head", refuse)
    monkeypatch.setattr(data, "_prepared_builder", lambda: None)
    monkeypatch.delenv("KMNIST_DIR", raising=False)


def test_digits_are_real_images_in_the_shape_of_kmnist(digits):
    assert len(digits.train) + len(digits.validation) + len(digits.test) == 1797
    assert digits.name == "digits" and "not KMNIST" in digits.title
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.dtype == np.float32 and split.images.shape == (len(split), 784)
        assert split.labels.dtype == np.int64
        assert split.images.min() >= 0 and split.images.max() <= 1
        counts = np.bincount(split.labels)
        assert len(counts) == 10 and counts.max() - counts.min() <= 0.15 * counts.mean() + 1


def test_the_splits_share_no_image_and_follow_the_seed(digits):
    again, other = data.load("digits"), data.load("digits", seed=1)
    assert np.array_equal(digits.train.images, again.train.images)
    assert digits.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(digits.test.images, other.test.images)
    # The whole is the same, however it is split.
    whole = [
        np.sort(np.concatenate([d.train.images, d.validation.images]).sum(axis=1)) for d in (digits, other)
    ]
    np.testing.assert_array_equal(*whole)


def test_limit_takes_a_stratified_part_and_leaves_the_test_set(digits):
    part = data.load("digits", limit=500)
    assert len(part.train) == 500 and len(part.validation) == round(
        len(digits.validation) * 500 / len(digits.train)
    )
    assert np.bincount(part.train.labels).min() >= 45
    assert len(part.test) == len(digits.test)
    assert np.array_equal(part.train.images, data.load("digits", limit=500).train.images)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"name": "mnist"}, "name"),
        ({"validation_fraction": 0}, "validation_fraction"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"validation_fraction": "a tenth"}, "validation_fraction"),
        ({"validation_fraction": 0.001}, "validation_fraction"),
        ({"limit": 0}, "limit"),
        ({"limit": 12.5}, "limit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named(given, named):
    with pytest.raises(ValueError, match=named):
        data.load(**{"name": "digits", **given})


def test_without_network_the_stand_in_is_announced_and_kmnist_by_name_is_an_error(monkeypatch, tmp_path):
    no_network(monkeypatch, tmp_path)
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert data.load("auto").name == "digits"
    assert data.resolve("auto") == "digits"
    for ask in (data.load, data.resolve):
        with pytest.raises(data.DataUnavailableError, match="KMNIST_DIR") as error:
            ask("kmnist")
        assert all(file in str(error.value) for file in data.KMNIST_FILES)


def test_a_host_that_never_answers_is_given_up_within_ten_seconds(monkeypatch, tmp_path):
    no_network(monkeypatch, tmp_path)

    def never(*args, **kwargs):
        time.sleep(12)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", never)
    started = time.monotonic()
    with pytest.raises(data.DataUnavailableError):
        data.load("kmnist")
    assert time.monotonic() - started < 10


def test_a_folder_without_the_files_is_an_error_even_if_kmnist_was_not_named(monkeypatch, tmp_path):
    no_network(monkeypatch, tmp_path)
    monkeypatch.setenv("KMNIST_DIR", str(tmp_path))
    with pytest.raises(data.DataUnavailableError, match=r"t10k-labels-idx1-ubyte\.gz are not there"):
        data.load("auto")


@needs_kmnist
def test_kmnist_has_the_papers_splits():
    kmnist = data.load()
    assert [len(split) for split in (kmnist.train, kmnist.validation, kmnist.test)] == [54_000, 6_000, 10_000]
    for split, each in ((kmnist.train, 5_400), (kmnist.validation, 600), (kmnist.test, 1_000)):
        assert np.bincount(split.labels).tolist() == [each] * 10
        assert split.images.shape == (len(split), 784) and split.images.dtype == np.float32
        assert split.images.min() == 0 and split.images.max() == 1
    # Known of the official files: the mean pixel of all 60,000 training images is 0.19176.
    total = kmnist.train.images.sum(dtype=np.float64) + kmnist.validation.images.sum(dtype=np.float64)
    assert total / (60_000 * 784) == pytest.approx(0.1918, abs=1e-4)
    assert len(data.load(limit=2_000).train) == 2_000


@needs_kmnist
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_a_damaged_file_is_one_clear_message_and_nothing_is_kept(monkeypatch, tmp_path, damage):
    folder = tmp_path / "files"
    shutil.copytree(Path(os.environ["KMNIST_DIR"]), folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    file = folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes({"flipped": bytes(content), "truncated": bytes(content[:5000]), "empty": b""}[damage])
    monkeypatch.setenv("KMNIST_DIR", str(folder))
    monkeypatch.setattr(data, "_prepared_builder", lambda: None)
    with pytest.raises(data.DataUnavailableError, match="is damaged") as error:
        data.load("kmnist")
    message = str(error.value)
    assert str(file) in message and "\n" not in message and "expected edd7a857" in message
    assert error.value.__suppress_context__
    cache = tmp_path / "cache" / "tfds"
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_decoded_arrays_are_kept_found_again_and_made_again_when_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / "cache"))
    rng, decoded = np.random.default_rng(0), []

    def decode(builder, split):
        decoded.append(split)
        return rng.integers(0, 256, (20, 784), dtype=np.uint8), np.arange(20) % 10

    monkeypatch.setattr(data, "_decoded", decode)
    builder = types.SimpleNamespace(version="3.0.1")
    (images, labels), test = data._arrays(builder)
    (again, labels_again), test_again = data._arrays(builder)
    assert decoded == ["train", "test"]
    np.testing.assert_array_equal(again, images)
    np.testing.assert_array_equal(labels_again, labels)
    np.testing.assert_array_equal(test_again[0], test[0])

    (kept,) = (tmp_path / "cache").iterdir()
    content = bytearray(kept.read_bytes())
    content[5000] ^= 1
    for damaged in (bytes(content), bytes(content[:5000]), b""):
        kept.write_bytes(damaged)
        decoded.clear()
        with pytest.warns(UserWarning, match="is damaged and is made again"):
            data._arrays(builder)
        assert decoded == ["train", "test"]
    data._arrays(builder)
    assert decoded == ["train", "test"] and [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_cache_that_cannot_be_written_does_not_withhold_the_data(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(file / "cache"))
    images = np.zeros((20, 784), np.uint8)
    monkeypatch.setattr(data, "_decoded", lambda builder, split: (images, np.arange(20) % 10))
    assert data._arrays(types.SimpleNamespace(version="3.0.1"))[0][0] is images
