import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from kmnist_itl import data

NOBODY = "http://127.0.0.1:1/"
needs_kmnist = pytest.mark.skipif(not os.environ.get("KMNIST_DIR"), reason="KMNIST_DIR is not set")


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """Neither the files, nor a prepared copy, nor the network."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "KMNIST_URLS", (NOBODY, f"{NOBODY}second/"))
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


@contextlib.contextmanager
def serving(handler):
    """The address of a server of this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def server(monkeypatch, small_kmnist):
    """Serves the small KMNIST at the second address; at the first nobody answers."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with serving(functools.partial(Quiet, directory=small_kmnist)) as address:
        monkeypatch.setattr(data, "KMNIST_URLS", (NOBODY, address))
        yield small_kmnist


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


def test_digits_are_real_images_in_the_shape_of_kmnist(digits):
    splits = (digits.train, digits.validation, digits.test)
    assert sum(map(len, splits)) == 1797 and digits.name == "digits" and "not KMNIST" in digits.title
    for split in splits:
        assert split.images.dtype == np.float32 and split.images.shape == (len(split), 784)
        assert split.images.min() == 0 and split.images.max() == 1
        counts = np.bincount(split.labels)
        assert split.labels.dtype == np.int64 and len(counts) == 10
        assert counts.max() - counts.min() <= 0.15 * counts.mean() + 1


def test_the_splits_share_no_image_and_follow_the_seed(digits):
    seeded = data.load("digits", seed=np.uint32(2**32 - 1), validation_fraction=np.float32(0.1))
    assert digits.fingerprint == data.load("digits").fingerprint != seeded.fingerprint
    assert np.array_equal(digits.test.images, seeded.test.images)
    # The whole is the same, whichever way it is split.
    parts = [np.concatenate([d.train.images, d.validation.images]) for d in (digits, seeded)]
    np.testing.assert_array_equal(*(np.sort(images.sum(axis=1)) for images in parts))


def test_limit_takes_a_stratified_part_and_leaves_the_test_set(digits):
    part = data.load("digits", limit=500)
    sizes = 500, round(len(digits.validation) * 500 / len(digits.train)), len(digits.test)
    assert (len(part.train), len(part.validation), len(part.test)) == sizes
    assert np.bincount(part.train.labels).min() >= 45
    almost_all = data.load("digits", limit=len(digits.train) - 1)
    assert len(almost_all.train) == len(digits.train) - 10  # what is left out holds each class, too


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"name": "mnist"}, "name"),
        ({"validation_fraction": "a tenth"}, "validation_fraction must be a number"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"validation_fraction": 0.001}, "validation_fraction"),
        ({"limit": 9}, "limit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named(given, named):
    with pytest.raises(ValueError, match=named):
        data.load(**{"name": "digits", **given})


def test_images_and_labels_are_as_many():
    with pytest.raises(ValueError, match="images and labels must be as many; got 3 and 2"):
        data.Split(np.zeros((3, 784), np.float32), np.zeros(2, np.int64))


def test_without_network_the_stand_in_is_announced_and_kmnist_by_name_is_an_error(nothing_here):
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert data.load("auto").name == "digits"
    with pytest.raises(data.OfflineError, match="KMNIST_DIR") as error:
        data.load("kmnist")
    assert all(name in str(error.value) for name in (*data.KMNIST_FILES, *data.KMNIST_URLS))


@pytest.mark.parametrize("named", ["~nosuchuser/x", "{}/file"])
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
    for split, count in ((kmnist.train, 5_400), (kmnist.validation, 600), (kmnist.test, 1_000)):
        assert np.bincount(split.labels).tolist() == [count] * 10
        assert split.images.shape == (10 * count, 784)
    # Known of the official files: the mean pixel of all 60,000 training images is 0.1918.
    means = [split.images.mean(dtype=np.float64) for split in (kmnist.train, kmnist.validation)]
    assert 0.9 * means[0] + 0.1 * means[1] == pytest.approx(0.1918, abs=1e-4)
    # That of the copy that tensorflow-datasets prepares.
    assert kmnist.fingerprint == "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"


def test_each_way_gives_the_same_data(monkeypatch, prepared_copy, server):
    prepared = data.load("kmnist")
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/data")  # no folder of this machine
    downloaded = data.load("kmnist")
    monkeypatch.setenv("KMNIST_DIR", str(server))
    given = data.load("kmnist")
    sources = ("prepared by tensorflow-datasets", "downloaded", "KMNIST_DIR")
    for dataset, source in zip((prepared, downloaded, given), sources, strict=True):
        assert source in dataset.source and dataset.fingerprint == given.fingerprint
    # Each image still has its label.
    images = data._idx((server / "t10k-images-idx3-ubyte.gz").read_bytes()).reshape(50, 784)
    order = data._tfds_order("test", 50)
    np.testing.assert_array_equal(given.test.images, images[order].astype(np.float32) / 255)
    np.testing.assert_array_equal(given.test.labels, np.arange(50)[order] * 7 % 10)


def test_a_damaged_prepared_copy_is_one_message(prepared_copy):
    (file,) = (path for path in prepared_copy.iterdir() if "train.tfrecord" in path.name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(data.DataUnavailableError, match=r"is damaged \(.*\)\. Delete that folder"):
        data.load("kmnist")


def test_with_a_broken_tensorflow_datasets_the_files_are_downloaded(
    monkeypatch, tmp_path, capfd, prepared_copy, server
):
    """In Colab tensorflow-datasets logs that its import failed and leaves an empty module."""
    package = tmp_path / "broken" / "tensorflow_datasets"
    package.mkdir(parents=True)
    code = "try:\n    raise TypeError('protobuf')\nexcept Exception as error:\n    logging.exception(error)\n"
    (package / "__init__.py").write_text("from absl import logging\n" + code)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    del sys.modules["tensorflow_datasets"]  # what stood there before comes back after the test
    capfd.readouterr()
    assert "downloaded" in data.load("auto").source and "protobuf" not in capfd.readouterr().err


@pytest.mark.parametrize("is_stalled", [False, True])
def test_where_an_address_fails_or_stalls_the_next_is_asked(monkeypatch, server, is_stalled):
    stop = threading.Event()

    class Bad(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if is_stalled else 503)
            self.end_headers()
            if is_stalled:
                stop.wait(20)

    monkeypatch.setattr(data, "SILENT_SECONDS", 0.5)
    with serving(Bad) as bad:
        monkeypatch.setattr(data, "KMNIST_URLS", (bad, data.KMNIST_URLS[1]))
        assert "downloaded" in data.load("kmnist").source
        stop.set()


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
    with pytest.raises(data.DataUnavailableError, match=r"train-images.*KMNIST_ITL_CACHE.*SHA-256") as error:
        data.load("kmnist")
    assert "\n" not in str(error.value)
    assert len(list(folder.iterdir())) == 3, "nothing of the damaged file was kept"


def test_a_damaged_file_is_one_clear_message(monkeypatch, small_kmnist):
    file = small_kmnist / "t10k-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    monkeypatch.setenv("KMNIST_DIR", str(small_kmnist))
    sums = data.KMNIST_FILES[file.name], hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("kmnist")
    assert "\n" not in str(error.value)
    assert f"{file} is damaged" in str(error.value) and "{}, found {}.".format(*sums) in str(error.value)
