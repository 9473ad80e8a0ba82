"""KMNIST as arrays: through tensorflow-datasets, from the official files, or the embedded stand-in."""

import contextlib
import hashlib
import io
import logging
import os
import re
import threading
import warnings
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kmnist_itl import files, settings

KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
HIRAGANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")
KMNIST_URL = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
KMNIST_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
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

    KMNIST [Clanuwat et al. 2018, doi:10.20676/00000341] is looked for in this order: a copy that
    tensorflow-datasets has already prepared; the four official files in the folder that the environment
    variable KMNIST_DIR names; the download. tensorflow-datasets verifies the files' checksums.

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
        DataUnavailableError: KMNIST was asked for and cannot be had, or a file of it is missing or damaged.
    """
    settings.check_choice("name", name, settings.DATASETS)
    if not isinstance(validation_fraction, int | float) or not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction must lie between 0 and 1; got {validation_fraction!r}.")
    seed = settings.check_count("seed", seed, at_least=0)
    if limit is not None:
        limit = settings.check_count("limit", limit, at_least=10)

    if name == "digits":
        return _split(*_digits(), "digits", validation_fraction, seed, limit)
    try:
        arrays, source = _kmnist()
    except _OfflineError as error:
        if name == "kmnist":
            raise DataUnavailableError(str(error)) from None
        warnings.warn(
            f"KMNIST cannot be had: {error}\nGoing on with the STAND-IN, scikit-learn's handwritten digits. "
            "Nothing that follows is a result on KMNIST.",
            stacklevel=2,
        )
        return _split(*_digits(), "digits", validation_fraction, seed, limit)
    return _split(arrays, source, "kmnist", validation_fraction, seed, limit)


def resolve(name):
    """The data set that `load(name)` would give: 'kmnist' or 'digits', without loading it.

    Raises as `load` does where KMNIST was named and cannot be had.
    """
    if settings.check_choice("name", name, settings.DATASETS) == "digits":
        return "digits"
    try:
        if _prepared_builder() is None:
            _official_files() or _probe_download()
    except _OfflineError as error:
        if name == "kmnist":
            raise DataUnavailableError(str(error)) from None
        return "digits"
    return "kmnist"


class _OfflineError(Exception):
    """No copy is here and the download host cannot be reached."""


def _kmnist():
    """((train images, train labels), (test images, test labels)) as tfds gives them, and the source."""
    builder, source = _prepared_builder(), "prepared by tensorflow-datasets"
    if builder is None:
        builder, source = _prepare()
    return _arrays(builder), f"KMNIST (CODH), {source}"


def _arrays(builder):
    """((train images, train labels), (test images, test labels)) of a prepared builder.

    tfds takes seconds to decode 70,000 images, so the arrays are kept as one file, with its checksums.
    """
    file = settings.cache_dir() / f"kmnist-{builder.version}.npz"
    names = ("train_images", "train_labels", "test_images", "test_labels")
    if file.exists():
        try:
            with np.load(file) as kept:
                return tuple(kept[name] for name in names[:2]), tuple(kept[name] for name in names[2:])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            warnings.warn(f"{file} is damaged and is made again: {error}", stacklevel=4)
    train, test = (_decoded(builder, split) for split in ("train", "test"))

    def write(path):
        with path.open("wb") as stream:
            np.savez(stream, **dict(zip(names, train + test, strict=True)))

    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not the data
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(file, write)
    return train, test


def _decoded(builder, split):
    import tensorflow_datasets as tfds

    from kmnist_itl._tensorflow import tf

    try:
        images, labels = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, as_supervised=True))
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0]
        raise DataUnavailableError(
            f"The copy of KMNIST in {builder.data_dir} is damaged: {reason}. "
            "Delete that folder and run again."
        ) from None
    return images.reshape(len(images), -1), labels


def _builder(data_dir):
    from kmnist_itl import _tensorflow  # noqa: F401  (first, so that TensorFlow starts silently)

    # tfds logs a warning for each folder in which KMNIST is not prepared yet.
    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_datasets as tfds

        tfds.disable_progress_bar()
        return tfds.builder("kmnist", data_dir=data_dir)


def _prepared_builder():
    """A tfds builder that has a prepared copy, in tfds' own folder or in our cache; None without one."""
    for data_dir in (None, settings.cache_dir() / "tfds"):
        builder = _builder(data_dir)
        if builder.is_prepared():
            return builder
    return None


def _official_files():
    """The folder KMNIST_DIR if it is set; it must then hold the four official files."""
    named = os.environ.get("KMNIST_DIR")
    if not named:
        return None
    folder = Path(named).expanduser()
    missing = [file for file in KMNIST_FILES if not (folder / file).is_file()]
    if missing:
        raise DataUnavailableError(
            f"KMNIST_DIR is {named!r}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not there. Put the four official files "
            f"({', '.join(KMNIST_FILES)}; from {KMNIST_URL}) into that folder, or unset KMNIST_DIR."
        )
    return folder


def _prepare():
    """Let tfds prepare KMNIST in our cache, from the official files or the download."""
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    folder = _official_files()
    if folder is None:
        _probe_download()
    top = settings.cache_dir() / "tfds"
    builder = _builder(top)
    config = tfds.download.DownloadConfig(manual_dir=folder, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the paths of this machine
            builder.download_and_prepare(download_config=config, download_dir=top / "downloads")
    except NonMatchingChecksumError as error:
        raise DataUnavailableError(_checksum_message(str(error), folder)) from None
    except (tfds.download.DownloadError, requests.RequestException) as error:
        raise DataUnavailableError(
            f"The download of KMNIST from {KMNIST_URL} broke off: {error}. Run again to repeat it."
        ) from None
    return builder, "the official files in KMNIST_DIR" if folder else "downloaded by tensorflow-datasets"


def _checksum_message(text, folder):
    """tfds' checksum error as one message that names the file and what to do."""
    name = next((file for file in KMNIST_FILES if file in text), "a KMNIST file")
    file = folder / name if folder else name
    sums = re.findall(r"checksum='(\w+)'", text)
    found = f" SHA-256 expected {sums[0]}, found {sums[1]}." if len(sums) == 2 else ""
    advice = f"Get it again from {KMNIST_URL}{name}" if folder else "Run again to repeat the download"
    return f"{file} is damaged or is not the official file.{found} {advice}; nothing of it was kept."


def _probe_download():
    """Raise _OfflineError unless the download host answers soon: tfds itself would retry for minutes."""
    import requests

    url, answer = KMNIST_URL + KMNIST_FILES[-1], []

    def ask():
        try:
            answer.append(requests.head(url, timeout=PROBE_SECONDS, allow_redirects=True).ok)
        except (requests.RequestException, OSError):
            answer.append(False)

    # In a thread, because looking up a host name obeys no time-out.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if answer != [True]:
        raise _OfflineError(
            f"no prepared copy is here and {KMNIST_URL} does not answer. Put the four official files "
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
