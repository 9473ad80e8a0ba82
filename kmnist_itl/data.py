"""KMNIST as arrays, from the official files or tensorflow-datasets, and a stand-in for it."""

import contextlib
import gzip
import hashlib
import io
import logging
import os
import tempfile
import threading
import urllib.request
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kmnist_itl import files, settings

KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
HIRAGANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")
KMNIST_URL = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
KMNIST_FILES = {  # and their SHA-256 sums, the same that tensorflow-datasets knows
    "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
}
TFDS_VERSION = "3.0.1"  # of tensorflow-datasets' KMNIST; another may store the images in another order
PROBE_SECONDS = 8


class DataUnavailableError(RuntimeError):
    """KMNIST cannot be had here; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images, float32 [n, 784] in [0, 1], and their labels, int64 [n]."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three splits.

    `name` is 'kmnist' or 'digits', `source` says where the data came from, `class_names` are the names of
    the labels 0 to 9 and `glyphs` how each is written today (for digits the digits themselves).
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

    @cached_property
    def fingerprint(self):
        """SHA-256 of what decides a training: the training and validation images and labels."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation):
            digest.update(np.ascontiguousarray(split.images))
            digest.update(np.ascontiguousarray(split.labels))
        return digest.hexdigest()


def load(name="kmnist", *, validation_fraction=0.1, seed=0, limit=None):
    """Load a data set and split it.

    KMNIST [Clanuwat et al. 2018, doi:10.20676/00000341] is taken from the first of these:

    1. the four official files in the folder that the environment variable KMNIST_DIR names;
    2. the same files in our cache, where an earlier download put them;
    3. a copy that tensorflow-datasets has prepared, in the local folder TFDS_DATA_DIR (without it
       ~/tensorflow_datasets) or in our cache, if tensorflow-datasets can be imported;
    4. the download of the files, 21 MB, into our cache.

    The files' SHA-256 sums are verified. The arrays are the same each way, in the order in which
    tensorflow-datasets stores the images, so the split and the fingerprint are the same, too.

    Args:
        name: 'kmnist'; 'digits', scikit-learn's handwritten digits scaled to 28 x 28; or 'auto': KMNIST,
            and the digits with a warning where KMNIST cannot be had.
        validation_fraction: share of the training set that is set aside for validation, in (0, 1), drawn
            with stratification (the paper's section II.A: 10%).
        seed: int that decides the draws of the validation set and of `limit`.
        limit: None, or the most training images: a stratified subset is drawn, and the validation set
            is cut in proportion. The test set stays whole.

    Returns:
        Dataset. For KMNIST 54,000 training, 6,000 validation and 10,000 test images.

    Raises:
        ValueError: an unknown name, a fraction outside (0, 1), a limit that cannot hold each class once.
        DataUnavailableError: KMNIST was asked for and cannot be had, a file of it is missing or damaged, or
            the cache has no room for the download.
    """
    settings.check_choice("name", name, settings.DATASETS)
    if not isinstance(validation_fraction, int | float) or not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction must lie between 0 and 1; got {validation_fraction!r}.")
    seed = settings.check_count("seed", seed, at_least=0)
    if limit is not None:
        limit = settings.check_count("limit", limit, at_least=10)

    if name != "digits":
        try:
            arrays, source = _kmnist()
            return _split(arrays, source, "kmnist", validation_fraction, seed, limit)
        except _OfflineError as error:
            if name == "kmnist":
                raise DataUnavailableError(str(error)) from None
            warnings.warn(
                f"KMNIST cannot be had: {error}\nGoing on with the STAND-IN, scikit-learn's handwritten "
                "digits. Nothing that follows is a result on KMNIST.",
                stacklevel=2,
            )
    return _split(*_digits(), "digits", validation_fraction, seed, limit)


def resolve(name):
    """The data set that `load(name)` would give: 'kmnist' or 'digits', without loading it.

    Raises as `load` does where KMNIST was named and cannot be had.
    """
    if settings.check_choice("name", name, settings.DATASETS) == "digits":
        return "digits"
    try:
        _official_files() or _downloaded() or _prepared_copy() or _probe_download()
    except _OfflineError as error:
        if name == "kmnist":
            raise DataUnavailableError(str(error)) from None
        return "digits"
    return "kmnist"


class _OfflineError(Exception):
    """No copy is here and the download host cannot be reached."""


def _kmnist():
    """((train images, train labels), (test images, test labels)) in tfds' order, and the source."""
    if folder := _official_files():
        return _read(folder), "KMNIST (CODH), the official files in KMNIST_DIR"
    folder = _downloaded()
    if folder is None:
        if copy := _prepared_copy():
            return _decode(*copy), "KMNIST (CODH), prepared by tensorflow-datasets"
        _probe_download()
        folder = _download()
    return _read(folder), "KMNIST (CODH), downloaded"


def _read(folder):
    """The arrays in a folder's four files, uint8 [n, 784] and [n], as `_kmnist` gives them."""

    def split(name, prefix):
        images = _idx(_content(folder / f"{prefix}-images-idx3-ubyte.gz"))
        labels = _idx(_content(folder / f"{prefix}-labels-idx1-ubyte.gz"))
        order = _tfds_order(name, len(labels))
        return images.reshape(len(images), -1)[order], labels[order]

    return split("train", "train"), split("test", "t10k")


def _content(file):
    """The bytes of an official file; a DataUnavailableError unless it has the official SHA-256 sum."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataUnavailableError(f"{file} cannot be read: {error.strerror}.") from None
    expected, found = KMNIST_FILES[file.name], hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataUnavailableError(
            f"{file} is damaged or is not the official file. SHA-256 expected {expected}, found {found}. "
            f"Get it again from {KMNIST_URL}{file.name}"
        )
    return content


def _idx(compressed):
    """The array in a gzipped idx file: bytes 0, 0, 8, the number of dimensions, their sizes, the values."""
    content = gzip.decompress(compressed)
    sizes = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def _tfds_order(split, count):
    """The order in which tensorflow-datasets stores the `count` examples of a split.

    It sorts them by the MD5 sum of the split's name and the example's number in the official file
    (tensorflow_datasets/core/hashing.py and shuffle.py).
    """
    return sorted(
        range(count),
        key=lambda number: hashlib.md5(f"{split}{number}".encode(), usedforsecurity=False).digest(),
    )


def _official_files():
    """The folder KMNIST_DIR if it is set; it must then hold the four official files."""
    named = os.environ.get("KMNIST_DIR")
    if not named:
        return None
    folder = Path(os.path.expanduser(named))  # Path's own raises for an unknown user
    missing = [file for file in KMNIST_FILES if not os.access(folder / file, os.R_OK)]
    if missing:
        raise DataUnavailableError(
            f"KMNIST_DIR is {named!r}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not there or cannot be read. Put the four official "
            f"files ({', '.join(KMNIST_FILES)}; from {KMNIST_URL}) into that folder, or unset KMNIST_DIR."
        )
    return folder


def _downloaded():
    """The folder of our cache with the four official files; None unless all of them are there and whole."""
    folder = settings.cache_dir() / "kmnist"
    with contextlib.suppress(DataUnavailableError):
        for name in KMNIST_FILES:
            _content(folder / name)
        return folder
    return None


def _download():
    """Download the four official files into our cache; returns their folder."""
    from kmnist_itl._tensorflow import keras

    folder = settings.cache_dir() / "kmnist"
    try:
        files.check_room(folder, "The files of KMNIST", megabytes=25, variable="KMNIST_ITL_CACHE")
        # Beside their place first, so that no half a file ever stands there; Keras draws a progress bar.
        with tempfile.TemporaryDirectory(dir=folder) as beside, contextlib.redirect_stdout(io.StringIO()):
            for name in KMNIST_FILES:
                keras.utils.get_file(name, KMNIST_URL + name, cache_dir=beside, cache_subdir="")
                _content(Path(beside, name))
                os.replace(Path(beside, name), folder / name)
    except Exception as error:  # Keras raises nothing narrower
        raise DataUnavailableError(
            f"KMNIST was not downloaded from {KMNIST_URL} to {folder} (KMNIST_ITL_CACHE). Run again, or name "
            f"a folder that has the four files in KMNIST_DIR. The reason: {_one_line(error)}"
        ) from None
    return folder


def _one_line(error):
    return " ".join(str(getattr(error, "message", error)).split()) or repr(error)


def _prepared_copy():
    """(tensorflow_datasets, the folder of a copy that it has prepared); None if either is missing."""
    named = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    if "://" in named:
        warnings.warn(
            f"TFDS_DATA_DIR is {named!r}, not a folder of this machine: KMNIST is not looked for there.",
            stacklevel=4,
        )
    tops = (os.path.expanduser(named), settings.cache_dir() / "tfds")
    copies = [Path(top) / "kmnist" / TFDS_VERSION for top in tops]
    folder = next((copy for copy in copies if os.path.isfile(copy / "dataset_info.json")), None)
    if folder is None:
        return None
    from kmnist_itl import _tensorflow  # noqa: F401  (first, so that TensorFlow starts silently)

    # In Colab the import fails: tfds logs the traceback, goes on and leaves an empty module.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        import tensorflow_datasets as tfds

        if hasattr(tfds, "builder_from_directory"):
            return tfds, folder
    return None


def _decode(tfds, folder):
    """The arrays of a prepared copy, as `_kmnist` gives them."""
    try:
        builder = tfds.builder_from_directory(folder)
        splits = [
            tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, as_supervised=True))
            for split in ("train", "test")
        ]
    except Exception as error:  # tfds lets through protobuf's, TensorFlow's and its own
        raise DataUnavailableError(
            f"The copy of KMNIST in {folder} is damaged. Delete that folder and run again. "
            f"The reason: {_one_line(error)}"
        ) from None
    return tuple((images.reshape(len(images), -1), labels) for images, labels in splits)


def _probe_download():
    """Raise _OfflineError unless the download host answers soon: a download would try for minutes."""
    request, answered = urllib.request.Request(KMNIST_URL + next(reversed(KMNIST_FILES)), method="HEAD"), []

    def ask():
        with contextlib.suppress(Exception), urllib.request.urlopen(request, timeout=PROBE_SECONDS):
            answered.append(True)

    # In a thread, because looking up a host name obeys no time-out.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if not answered:
        raise _OfflineError(
            f"no copy is here and {KMNIST_URL} cannot be reached. Put the four official files "
            f"({', '.join(KMNIST_FILES)}) into a folder and name it in the environment variable KMNIST_DIR."
        )


def _digits():
    """scikit-learn's 8 x 8 digits scaled to 28 x 28, a seventh of them as the test set, as in KMNIST."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = zoom(digits.images, (1, 3.5, 3.5), order=1, grid_mode=True, mode="nearest")
    images = np.rint(np.clip(images / 16, 0, 1) * 255).astype(np.uint8).reshape(len(images), -1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=1 / 7, stratify=digits.target, random_state=0
    )
    return (
        (x_train, y_train),
        (x_test, y_test),
    ), "scikit-learn's handwritten digits, 8 x 8 scaled to 28 x 28"


def _split(arrays, source, name, validation_fraction, seed, limit):
    from sklearn.model_selection import train_test_split

    (images, labels), (test_images, test_labels) = arrays

    def draw(indices, size):
        """`size` of `indices`, stratified, and the rest."""
        try:
            drawn, rest = train_test_split(
                indices, train_size=size, stratify=labels[indices], random_state=seed
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={validation_fraction} and limit={limit} ask for a draw of {size} "
                f"out of {len(indices)} images that cannot hold each class: {error}"
            ) from None
        return np.sort(drawn), np.sort(rest)

    validation, train = draw(np.arange(len(labels)), round(len(labels) * validation_fraction))
    if limit is not None and limit < len(train):
        kept = max(10, round(len(validation) * limit / len(train)))
        train, _ = draw(train, limit)
        if kept < len(validation):
            validation, _ = draw(validation, kept)

    def as_split(images, labels):
        return Split(images.astype(np.float32) / 255, labels.astype(np.int64))

    is_kmnist = name == "kmnist"
    return Dataset(
        train=as_split(images[train], labels[train]),
        validation=as_split(images[validation], labels[validation]),
        test=as_split(test_images, test_labels),
        name=name,
        source=source,
        class_names=KMNIST_CLASSES if is_kmnist else tuple("0123456789"),
        glyphs=HIRAGANA if is_kmnist else tuple("0123456789"),
    )
