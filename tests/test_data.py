import functools
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
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

    monkeypatch.setattr(urllib.request, "urlopen", None)  # a call fails
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
    """Serves the small KMNIST at the second address; at the first nobody answers."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=small_kmnist)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        addresses = ("http://127.0.0.1:1/", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setattr(data, "KMNIST_URLS", addresses)
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


@pytest.fixture
def broken_tfds(monkeypatch, tmp_path):
    """In Colab tensorflow-datasets logs that its import failed and leaves an empty module."""
    package = tmp_path / "broken" / "tensorflow_datasets"
    package.mkdir(parents=True)
    code = "try:\n    raise TypeError('protobuf')\nexcept Exception as error:\n    logging.exception(error)\n"
    (package / "__init__.py").write_text("from absl import logging\n" + code)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    del sys.modules["tensorflow_datasets"]  # what stood there before comes back after the test


def same(left, right):
    splits = ("train", "validation", "test")
    pairs = [(getattr(left, name), getattr(right, name)) for name in splits]
    return left.fingerprint == right.fingerprint and all(
        np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels) for a, b in pairs
    )


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
    seeded = data.load("digits", seed=np.uint32(2**32 - 1), validation_fraction=np.float32(0.1))
    assert same(digits, data.load("digits")) and digits.fingerprint != seeded.fingerprint
    assert np.array_equal(digits.test.images, seeded.test.images)
    # The whole is the same, whichever way it is split.
    parts = [np.concatenate([d.train.images, d.validation.images]) for d in (digits, seeded)]
    np.testing.assert_array_equal(*(np.sort(images.sum(axis=1)) for images in parts))


def test_limit_takes_a_stratified_part_and_leaves_the_test_set(digits):
    part = data.load("digits", limit=500)
    assert len(part.train) == 500
    assert len(part.validation) == round(len(digits.validation) * 500 / len(digits.train))
    assert np.bincount(part.train.labels).min() >= 45
    assert len(part.test) == len(digits.test)
    assert same(part, data.load("digits", limit=500))


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
        ({"seed": 2**32}, "seed must be a whole number from 0 to 4294967295"),
    ],
)
def test_bad_arguments_are_named(given, named):
    with pytest.raises(ValueError, match=named):
        data.load(**{"name": "digits", **given})


def test_without_network_the_stand_in_is_announced_and_kmnist_by_name_is_an_error(nothing_here):
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert data.load("auto").name == "digits"
    with pytest.raises(data.DataUnavailableError, match="KMNIST_DIR") as error:
        data.load("kmnist")
    assert all(name in str(error.value) for name in (*data.KMNIST_FILES, *data.KMNIST_URLS))


def test_hosts_that_never_answer_are_given_up(monkeypatch, nothing_here):
    never = threading.Event()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **options: never.wait(60))
    monkeypatch.setattr(data, "PROBE_SECONDS", 0.1)
    with pytest.raises(data.OfflineError):
        data.load("kmnist")
    never.set()


@pytest.mark.parametrize("named", ["{}", "~nosuchuser/x", "{}/file"])
def test_a_folder_without_the_files_is_an_error_even_if_kmnist_was_not_named(
    monkeypatch, tmp_path, nothing_here, named
):
    (tmp_path / "file").touch()
    named = named.format(tmp_path)
    monkeypatch.setenv("KMNIST_DIR", named)
    with pytest.raises(data.DataUnavailableError, match=r"cannot be read: .* KMNIST_DIR") as error:
        data.load("auto")
    assert str(error.value).startswith(f"{named}/train-images-idx3-ubyte.gz")


@needs_kmnist
def test_kmnist_has_the_papers_splits():
    kmnist = data.load()
    assert [len(split) for split in (kmnist.train, kmnist.validation, kmnist.test)] == [54_000, 6_000, 10_000]
    for split, count in ((kmnist.train, 5_400), (kmnist.validation, 600), (kmnist.test, 1_000)):
        assert np.bincount(split.labels).tolist() == [count] * 10
        assert split.images.shape == (len(split), 784) and split.images.dtype == np.float32
        assert split.images.min() == 0 and split.images.max() == 1
    # Known of the official files: the mean pixel of all 60,000 training images is 0.19176.
    total = kmnist.train.images.sum(dtype=np.float64) + kmnist.validation.images.sum(dtype=np.float64)
    assert total / (60_000 * 784) == pytest.approx(0.1918, abs=1e-4)
    # As of the copy that tensorflow-datasets prepares.
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


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_order_is_that_of_tensorflow_datasets(tmp_path, split):
    from tensorflow_datasets.core import shuffle

    shuffler = shuffle.Shuffler(tmp_path, hash_salt=split)
    for number in range(1_000):
        shuffler.add(number, str(number).encode())
    assert data._tfds_order(split, 1_000) == [int(value) for _, value in shuffler]


def test_each_way_gives_the_same_data(monkeypatch, prepared_copy, server):
    prepared = data.load("kmnist")
    assert "prepared by tensorflow-datasets" in prepared.source
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/data")  # no folder of this machine
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


def test_with_a_broken_tensorflow_datasets_the_files_are_downloaded(
    capfd, prepared_copy, server, broken_tfds
):
    capfd.readouterr()
    assert "downloaded" in data.load("auto").source
    assert capfd.readouterr() == ("", "")


def test_only_what_is_not_whole_is_downloaded(tmp_path, server):
    fingerprint = data.load("kmnist").fingerprint
    folder = tmp_path / "cache" / "kmnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(data.KMNIST_FILES)
    damaged, whole = folder / "train-images-idx3-ubyte.gz", folder / "t10k-images-idx3-ubyte.gz"
    written = whole.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:5000])
    assert data.load("kmnist").fingerprint == fingerprint and whole.stat().st_mtime_ns == written
    damaged.unlink()
    (server / damaged.name).write_bytes(b"<html>Sign in to the network")
    with pytest.raises(data.DataUnavailableError, match=r"train-images.*KMNIST_ITL_CACHE.*hash") as error:
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


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "train.tfrecord"])
def test_a_damaged_prepared_copy_is_one_message(prepared_copy, name):
    (file,) = (path for path in prepared_copy.iterdir() if name in path.name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(data.DataUnavailableError, match=r"is damaged\. Delete that folder") as error:
        data.load("kmnist")
    message = str(error.value)
    assert str(prepared_copy) in message and "\n" not in message and error.value.__suppress_context__


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_a_damaged_file_is_one_clear_message(monkeypatch, small_kmnist, damage):
    file = small_kmnist / "t10k-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes({"flipped": bytes(content), "truncated": bytes(content[:5000]), "empty": b""}[damage])
    monkeypatch.setenv("KMNIST_DIR", str(small_kmnist))
    sums = data.KMNIST_FILES[file.name], hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("kmnist")
    assert f"{file} is damaged" in str(error.value) and "\n" not in str(error.value)
    assert "SHA-256 expected {}, found {}.".format(*sums) in str(error.value)
