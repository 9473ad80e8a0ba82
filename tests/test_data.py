import functools
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from kmnist_itl import data, files

URLOPEN = urllib.request.urlopen
needs_kmnist = pytest.mark.skipif(not os.environ.get("KMNIST_DIR"), reason="KMNIST_DIR is not set")


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """Neither the files, nor a prepared copy, nor the network."""

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("KMNIST_DIR", raising=False)


@pytest.fixture
def small_kmnist(monkeypatch, tmp_path, nothing_here, rng):
    """The folder of four files of KMNIST's names and format, 200 and 50 images; they count as official."""
    folder = tmp_path / "official"
    folder.mkdir()
    sums = {}
    for name in data.KMNIST_FILES:
        count = 200 if name.startswith("train") else 50
        shape, values = (count,), np.arange(count) * 7 % 10
        if "images" in name:
            shape, values = (count, 28, 28), rng.integers(0, 256, count * 784)
        content = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        content = gzip.compress(content + values.astype(np.uint8).tobytes())
        (folder / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(data, "KMNIST_FILES", sums)
    return folder


@pytest.fixture
def server(monkeypatch, small_kmnist):
    """Serves the small KMNIST in the place of CODH."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=small_kmnist)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setattr(data, "KMNIST_URL", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(urllib.request, "urlopen", URLOPEN)
        yield small_kmnist
        running.shutdown()


@pytest.fixture
def prepared_copy(monkeypatch, tmp_path, small_kmnist):
    """A copy of the small KMNIST that tensorflow-datasets has written, in its own order."""
    import tensorflow_datasets as tfds

    for file in small_kmnist.iterdir():
        (tmp_path / file.stem).write_bytes(gzip.decompress(file.read_bytes()))

    def examples(builder, prefix, count):
        paths = (tmp_path / f"{prefix}-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
        return builder._generate_examples(count, *paths)

    class Small(tfds.image_classification.KMNIST, skip_registration=True):
        name = "kmnist"

        def _split_generators(self, dl_manager):
            return {"train": examples(self, "train", 200), "test": examples(self, "t10k", 50)}

    builder = Small(data_dir=tmp_path / "tfds")
    builder.download_and_prepare()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return Path(builder.data_dir)


@pytest.fixture(params=["swallowed", "raised"])
def broken_tfds(monkeypatch, tmp_path, request):
    """In Colab tensorflow-datasets logs that its import failed and leaves an empty module; or it fails."""
    package = tmp_path / "broken" / "tensorflow_datasets"
    package.mkdir(parents=True)
    code = "try:\n    raise TypeError('protobuf')\nexcept Exception as error:\n    logging.exception(error)\n"
    code = code if request.param == "swallowed" else "raise ImportError('protobuf')\n"
    (package / "__init__.py").write_text("from absl import logging\n" + code)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    del sys.modules["tensorflow_datasets"]  # what stood there before comes back after the test


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


def test_without_network_the_stand_in_is_announced_and_kmnist_by_name_is_an_error(nothing_here):
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert data.load("auto").name == "digits"
    assert data.resolve("auto") == "digits"
    for ask in (data.load, data.resolve):
        with pytest.raises(data.DataUnavailableError, match="KMNIST_DIR") as error:
            ask("kmnist")
        assert all(file in str(error.value) for file in data.KMNIST_FILES)


def test_a_host_that_never_answers_is_given_up_within_ten_seconds(monkeypatch, nothing_here):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: time.sleep(12))
    started = time.monotonic()
    with pytest.raises(data.DataUnavailableError):
        data.load("kmnist")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("named", ["{}", "~nosuchuser/x", "{}/file"])
def test_a_folder_without_the_files_is_an_error_even_if_kmnist_was_not_named(
    monkeypatch, tmp_path, nothing_here, named
):
    (tmp_path / "file").touch()
    named = named.format(tmp_path)
    monkeypatch.setenv("KMNIST_DIR", named)
    for ask in (data.load, data.resolve):
        with pytest.raises(
            data.DataUnavailableError, match=r"t10k-labels-idx1-ubyte\.gz are not there"
        ) as error:
            ask("auto")
        assert f"KMNIST_DIR is {named!r}" in str(error.value)


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
def test_kmnist_is_the_same_where_tensorflow_datasets_is_broken(broken_tfds):
    """The fingerprint is that of the copy that tensorflow-datasets prepares."""
    kmnist = data.load("kmnist")
    assert kmnist.fingerprint == "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"


def test_neither_the_digits_nor_the_official_files_need_tensorflow():
    code = f"""if True:
        import sys
        from kmnist_itl import data
        data.load("{"kmnist" if os.environ.get("KMNIST_DIR") else "digits"}"), data.load("digits")
        assert not {{"tensorflow", "keras", "tensorflow_datasets"}} & sys.modules.keys()"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_idx_file_is_read_as_it_was_written():
    content = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 9, 8, 7, 6, 5, 255])
    np.testing.assert_array_equal(data._idx(gzip.compress(content)), [[[9, 8, 7]], [[6, 5, 255]]])


def test_the_order_is_that_of_tensorflow_datasets(tmp_path):
    from tensorflow_datasets.core import shuffle

    for split in ("train", "test"):
        shuffler = shuffle.Shuffler(tmp_path, hash_salt=split)
        for number in range(1_000):
            shuffler.add(number, str(number).encode())
        assert data._tfds_order(split, 1_000) == [int(value) for _, value in shuffler]


def same(one, other):
    for split in ("train", "validation", "test"):
        for what in ("images", "labels"):
            np.testing.assert_array_equal(
                getattr(getattr(one, split), what), getattr(getattr(other, split), what)
            )
    return one.fingerprint == other.fingerprint


def test_each_way_gives_the_same_data(monkeypatch, prepared_copy, server):
    prepared = data.load("kmnist")
    assert "prepared by tensorflow-datasets" in prepared.source
    monkeypatch.setenv("TFDS_DATA_DIR", "")
    monkeypatch.setenv("HOME", str(prepared_copy / "none"))
    downloaded = data.load("kmnist")
    assert "downloaded" in downloaded.source and same(prepared, downloaded)
    monkeypatch.setenv("KMNIST_DIR", str(server))
    given = data.load("kmnist")
    assert "KMNIST_DIR" in given.source and same(prepared, given)
    # The order is not that of the files, and each image still has its label.
    images = data._idx((server / "t10k-images-idx3-ubyte.gz").read_bytes()).reshape(50, 784)
    labels = data._idx((server / "t10k-labels-idx1-ubyte.gz").read_bytes())
    order = data._tfds_order("test", 50)
    assert order != list(range(50))
    np.testing.assert_array_equal(given.test.images, images[order].astype(np.float32) / 255)
    np.testing.assert_array_equal(given.test.labels, labels[order])


def test_with_a_broken_tensorflow_datasets_the_copy_is_left_and_the_files_are_downloaded(
    capfd, prepared_copy, server, broken_tfds
):
    capfd.readouterr()
    assert data.resolve("auto") == "kmnist"
    assert "downloaded" in data.load("auto").source
    assert capfd.readouterr() == ("", "")


def test_the_download_is_kept_and_repeated_only_when_damaged(monkeypatch, tmp_path, server):
    whole = data.load("kmnist").fingerprint
    folder = tmp_path / "cache" / "kmnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(data.KMNIST_FILES)
    file = folder / "train-images-idx3-ubyte.gz"
    written = file.stat().st_mtime_ns
    assert data.load("kmnist").fingerprint == whole and file.stat().st_mtime_ns == written
    for content in (file.read_bytes()[:5000], b""):
        file.write_bytes(content)
        assert data.load("kmnist").fingerprint == whole
    (server / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>Sign in to the network")
    assert data.load("kmnist").fingerprint == whole
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(data.DataUnavailableError, match=r"KMNIST_ITL_CACHE.*t10k-labels.*expected") as error:
        data.load("kmnist")
    assert "\n" not in str(error.value)
    assert len(list(folder.iterdir())) == 3, "nothing of the damaged file was kept"


def test_room_for_the_download_is_checked_before(monkeypatch, tmp_path, server):
    def full(folder, what, *, megabytes, variable):
        assert megabytes * 1e6 > 21_240_808 and folder.is_relative_to(tmp_path / "cache")
        raise OSError(f"{what} need {megabytes} MB in {folder}. Name another folder in {variable}.")

    monkeypatch.setattr(files, "check_room", full)
    with pytest.raises(data.DataUnavailableError, match=r"KMNIST need 25 MB.*KMNIST_ITL_CACHE"):
        data.load("auto")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_matters_to_the_download_alone(monkeypatch, tmp_path, server):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(data.DataUnavailableError, match=r"cannot be written to .*KMNIST_ITL_CACHE") as error:
        data.load("kmnist")
    assert "\n" not in str(error.value) and error.value.__suppress_context__
    monkeypatch.setenv("KMNIST_DIR", str(server))
    assert data.load("kmnist").name == "kmnist"


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "train.tfrecord"])
def test_a_damaged_prepared_copy_is_one_message(prepared_copy, name):
    (file,) = (path for path in prepared_copy.iterdir() if name in path.name)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", None):
        file.unlink() if content is None else file.write_bytes(content)
        if content is None and name == "dataset_info.json":
            continue  # without it there is no copy
        with pytest.raises(data.DataUnavailableError, match=r"is damaged\. Delete that folder") as error:
            data.load("kmnist")
        message = str(error.value)
        assert str(prepared_copy) in message and "\n" not in message and error.value.__suppress_context__


def test_a_bucket_as_the_folder_of_tensorflow_datasets_is_told_and_passed_over(monkeypatch, server):
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/data")
    with pytest.warns(UserWarning, match="TFDS_DATA_DIR is 'gs://bucket/data', not a folder"):
        assert "downloaded" in data.load("kmnist").source


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "a folder"])
def test_a_damaged_file_is_one_clear_message_and_nothing_is_kept(monkeypatch, tmp_path, small_kmnist, damage):
    file = small_kmnist / "t10k-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    else:
        file.write_bytes(
            {"flipped": bytes(content), "truncated": bytes(content[:5000]), "empty": b""}[damage]
        )
    monkeypatch.setenv("KMNIST_DIR", str(small_kmnist))
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("kmnist")
    message, expected = str(error.value), data.KMNIST_FILES[file.name]
    assert str(file) in message and "\n" not in message
    if damage == "a folder":
        assert "cannot be read: Is a directory" in message
    else:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        assert (
            f"is damaged or is not the official file. SHA-256 expected {expected}, found {found}." in message
        )
    assert not (tmp_path / "cache").exists()
