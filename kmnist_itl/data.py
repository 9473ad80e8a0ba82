"""KMNIST as arrays, from the official files, and a stand-in for it."""

import contextlib
import functools
import gzip
import hashlib
import http.client
import logging
import os
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmnist_itl import files, settings

KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
HIRAGANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")
DIGITS = tuple("0123456789")
# CODH's server, which does not answer everybody, and what the Internet Archive kept of it.
KMNIST_URLS = (
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "https://web.archive.org/web/2020id_/http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
)
SILENT_SECONDS = 10  # after so many without an answer the next address is asked
KMNIST_FILES = {  # as they are since February 2019, and their SHA-256 sums
    "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
}
BY_HAND = (
    f"Put the four official files ({', '.join(KMNIST_FILES)}; from {KMNIST_URLS[1]}) into a folder "
    "and name it in the environment variable KMNIST_DIR."
)
TFDS_VERSION = "3.0.1"  # of tensorflow-datasets' KMNIST; another may store the images in another order


class DataUnavailableError(RuntimeError):
    """KMNIST cannot be had here; the message says what to do."""


class OfflineError(DataUnavailableError):
    """No copy of KMNIST is on this machine, and no address for it answers."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images, float32 [n, 784] in [0, 1], and their labels, int64 [n]; ValueError for another number."""

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        if len(self.images) != len(self.labels):
            counts = f"{len(self.images)} and {len(self.labels)}"
            raise ValueError(f"images and labels must be as many; got {counts}.")

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """'kmnist' or 'digits' in three splits, where it came from, and what the labels 0 to 9 are called.

    `glyphs` is how they are written today (digits: the digits themselves).
    """

    train: Split
    validation: Split
    test: Split
    name: str
    source: str
    class_names: tuple
    glyphs: tuple

    @property
    def title(self):
        """The name for titles and captions."""
        return "KMNIST" if self.name == "kmnist" else "STAND-IN: scikit-learn digits, not KMNIST"

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 of what decides a training: the training and validation images and labels."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation):
            digest.update(np.ascontiguousarray(split.images))
            digest.update(np.ascontiguousarray(split.labels))
        return digest.hexdigest()


def load(name="kmnist", *, validation_fraction=0.1, seed=0, limit=None):
    """Load a data set and split it.

    KMNIST [Clanuwat et al. 2018, doi:10.20676/00000341] is four official files: in the folder that the
    environment variable KMNIST_DIR names, or in our cache; or a copy that tensorflow-datasets has prepared in
    TFDS_DATA_DIR (without it ~/tensorflow_datasets); or else the files are downloaded to our cache (21 MB).
    Their SHA-256 sums are verified. The images stand in tensorflow-datasets' order.

    Args:
        name: 'kmnist'; 'digits', scikit-learn's handwritten digits scaled to 28 x 28; or 'auto': KMNIST,
            and the digits with a warning where no copy is here and no address answers.
        validation_fraction: share of the training set, in (0, 1), that is drawn, stratified, for validation
            (the paper's section II.A: 10%).
        seed: int from 0 to 2**32 - 1 that decides the draws of the validation set and of `limit`.
        limit: None, or the most training images, at least 10, drawn stratified; the validation set is cut in
            proportion, the test set stays whole.

    Returns a Dataset; of KMNIST 54,000 training, 6,000 validation and 10,000 test images. Raises a ValueError
    for an unknown name and for a fraction or a limit that cannot hold each class once, and a
    DataUnavailableError if KMNIST is asked for and cannot be had, or a file of it is missing or damaged.
    """
    fraction = settings.check_number("validation_fraction", validation_fraction, 0, 1)
    seed = settings.check_seed(seed)
    limit = None if limit is None else settings.check_count("limit", limit, at_least=10)
    if settings.check_choice("name", name, settings.DATASETS) != "digits":
        try:
            return _split(*_kmnist(), "kmnist", fraction, seed, limit)
        except OfflineError as error:
            if name == "kmnist":
                raise
            warnings.warn(
                f"KMNIST cannot be had: {error}\nGoing on with the STAND-IN, scikit-learn's handwritten "
                "digits. Nothing that follows is a result on KMNIST.",
                stacklevel=2,
            )
    return _split(*_digits(), "digits", fraction, seed, limit)


def _kmnist():
    """The pairs (uint8 [n, 784], labels [n]) of training and test set, and their source."""
    if named := os.environ.get("KMNIST_DIR"):
        folder = Path(os.path.expanduser(named))  # Path's own raises for an unknown user
        return _read(folder), "KMNIST (CODH), the official files in KMNIST_DIR"
    folder, source = settings.cache_dir() / "kmnist", "KMNIST (CODH), downloaded"
    with contextlib.suppress(DataUnavailableError):
        return _read(folder), source
    if pairs := _prepared_copy():
        return pairs, "KMNIST (CODH), prepared by tensorflow-datasets"
    _download(folder)
    return _read(folder), source


def _read(folder):
    """The pairs in a folder's four files, as in `_kmnist`; a DataUnavailableError unless all are whole."""
    arrays = [_idx(_content(folder / name)) for name in KMNIST_FILES]
    pairs = []
    for name, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        order = _tfds_order(name, len(labels))
        pairs.append((images.reshape(len(images), -1)[order], labels[order]))
    return pairs


def _content(file):
    """The bytes of an official file; a DataUnavailableError unless it has the official SHA-256 sum."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataUnavailableError(f"{file} cannot be read: {error.strerror}. {BY_HAND}") from None
    if problem := _wrong_sum(file.name, content):
        raise DataUnavailableError(f"{file} is damaged or is not the official file. {problem}. {BY_HAND}")
    return content


def _wrong_sum(name, content):
    expected, actual = KMNIST_FILES[name], hashlib.sha256(content).hexdigest()
    return "" if actual == expected else f"SHA-256 expected {expected}, found {actual}"


def _idx(compressed):
    """The array in a gzipped idx file: bytes 0, 0, 8, the number of dimensions, their sizes, the values."""
    content = gzip.decompress(compressed)
    sizes = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def _tfds_order(split, count):
    """The order of tensorflow-datasets (core/shuffle.py): by the MD5 sum of the split's name and a number."""
    keys = [hashlib.md5(f"{split}{i}".encode(), usedforsecurity=False).digest() for i in range(count)]
    return sorted(range(count), key=keys.__getitem__)


def _prepared_copy():
    """The pairs of a copy that tensorflow-datasets has prepared, as in `_kmnist`; None without one."""
    top = Path(os.path.expanduser(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"))
    folder = top / "kmnist" / TFDS_VERSION
    if not os.path.isfile(folder / "dataset_info.json"):
        return None
    from kmnist_itl import _tensorflow  # noqa: F401  (first, so that TensorFlow starts silently)

    # In Colab the import fails: tfds logs the traceback, goes on and leaves an empty module.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            from tensorflow_datasets import as_numpy, builder_from_directory
    except Exception:
        return None
    try:
        options = {"batch_size": -1, "as_supervised": True}
        splits = builder_from_directory(folder).as_dataset(split=["train", "test"], **options)
        return [(images.reshape(len(images), -1), labels) for images, labels in as_numpy(splits)]
    except Exception as error:  # tfds lets through protobuf's, TensorFlow's and its own
        raise DataUnavailableError(
            f"The copy of KMNIST in {folder} is damaged ({type(error).__name__}). Delete that folder."
        ) from None


def _download(folder):
    """Download into a folder the official files that are not whole there, from one address after another."""
    has_answered = False
    for address in KMNIST_URLS:
        try:
            for name in KMNIST_FILES:
                with contextlib.suppress(DataUnavailableError):
                    _content(folder / name)
                    continue
                with urllib.request.urlopen(address + name, timeout=SILENT_SECONDS) as answer:
                    has_answered = True
                    files.check_room(folder, "KMNIST_ITL_CACHE")
                    print(f"Downloading {name} from {address}", flush=True)
                    content = answer.read()
                if wrong := _wrong_sum(name, content):
                    raise ValueError(wrong)
                files.write_whole(folder / name, functools.partial(Path.write_bytes, data=content))
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f"{name} was not downloaded from {address} to {folder} (KMNIST_ITL_CACHE): {error}."
    if has_answered:
        raise DataUnavailableError(f"{problem} Run again. Or do it by hand: {BY_HAND}")
    raise OfflineError(f"no copy is here and none of {', '.join(KMNIST_URLS)} can be reached. {BY_HAND}")


def _digits():
    """scikit-learn's digits and their source, as `_kmnist`; a seventh is the test set, as in KMNIST."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = zoom(digits.images, (1, 3.5, 3.5), order=1, grid_mode=True, mode="nearest")
    images = np.rint(np.clip(images / 16, 0, 1) * 255).astype(np.uint8).reshape(len(images), -1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=1 / 7, stratify=digits.target, random_state=0
    )
    source = "scikit-learn's handwritten digits, 8 x 8 scaled to 28 x 28"
    return ((x_train, y_train), (x_test, y_test)), source


def _split(pairs, source, name, validation_fraction, seed, limit):
    """The Dataset of pairs as in `_kmnist`."""
    from sklearn.model_selection import train_test_split

    (images, labels), test = pairs

    def draw(indices, size):
        """`size` of `indices`, stratified, and the rest."""
        size = min(size, len(indices) - 10)  # the rest must hold each class, too
        drawn = train_test_split(indices, train_size=size, stratify=labels[indices], random_state=seed)
        return map(np.sort, drawn)

    size = round(len(labels) * validation_fraction)
    settings.check_count("validation_fraction * training images", size, 10, len(labels) - 10)
    validation, train = draw(np.arange(len(labels)), size)
    if limit is not None and limit < len(train):
        size = max(10, round(size * limit / len(train)))
        train, _ = draw(train, limit)
        if size < len(validation):
            validation, _ = draw(validation, size)
    parts = [(images[drawn], labels[drawn]) for drawn in (train, validation)]
    splits = [Split(x.astype(np.float32) / 255, y.astype(np.int64)) for x, y in (*parts, test)]
    names = (KMNIST_CLASSES, HIRAGANA) if name == "kmnist" else (DIGITS, DIGITS)
    return Dataset(*splits, name, source, *names)
