"""The profiles, what a notebook's parameters mean, checks of arguments, and where things are kept."""

import math
import numbers
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Profile:
    """How much is trained: training images (None: all), epochs at most, epochs without a better score.

    The paper gives neither epochs nor patience; its Fig 6 ends at about 100 epochs.
    """

    name: str
    train_images: int | None
    epochs: int
    patience: int = 8


PROFILES = {
    "smoke": Profile("smoke", train_images=1_000, epochs=2),
    "quick": Profile("quick", train_images=6_000, epochs=16),
    "paper": Profile("paper", train_images=None, epochs=100),
}
DATASETS = ("auto", "kmnist", "digits")
# The variables that name folders: of the data, of what is kept, and of results.
FOLDERS = ("KMNIST_DIR", "TFDS_DATA_DIR", "KMNIST_ITL_CACHE", "KMNIST_ITL_FIGURES")

# The paper's section III.B: "Throughout the paper" Adam at 1e-3 and mini-batches of 1,000.
BATCH_SIZE = 1_000
LEARNING_RATE = 1e-3


def check_choice(name, value, choices):
    """`value`; ValueError unless it is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def check_count(name, value, at_least=1, at_most=math.inf):
    """`value` as an int; ValueError unless it is a whole number (also NumPy's) in the range."""
    try:
        number = math.nan if isinstance(value, bool) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        number = math.nan
    if not at_least <= number <= at_most:
        bounds = f"of at least {at_least}" if at_most == math.inf else f"from {at_least} to {at_most}"
        raise ValueError(f"{name} must be a whole number {bounds}; got {value!r}.")
    return number


def check_seed(seed):
    """`seed` as an int; ValueError unless it is from 0 to 2**32 - 1, as NumPy and Keras want it."""
    return check_count("seed", seed, at_least=0, at_most=2**32 - 1)


def check_number(name, value, low, high):
    """`value` as a float; ValueError unless it is a finite number (also NumPy's) from `low` to `high`."""
    try:
        number = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not low <= number <= high or math.isinf(number):
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}.")
    return number


def check_array(name, values):
    """`values` as a NumPy array; ValueError for rows of different lengths."""
    import numpy as np

    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} cannot be made an array: {str(error).splitlines()[0]}") from error


def get_profile(profile):
    """The Profile of that name, or the Profile that is given; ValueError for an unknown name."""
    if isinstance(profile, Profile):
        return profile
    return PROFILES[check_choice("profile", profile, tuple(PROFILES))]


class Parameters(NamedTuple):
    """A notebook's parameters, checked; 'auto' is a data set that was not named."""

    profile: Profile
    dataset: str
    seeds: range


def parameters(profile=None, dataset=None, seeds=None):
    """The Parameters of a notebook; ValueError for an unknown profile or data set and for seeds < 1.

    A parameter that is None comes from KMNIST_ITL_PROFILE, _DATASET or _SEEDS, or else is 'quick', 'auto'
    (as in `data.load`) or 1. `seeds`, also a string of digits, says how many seeds, from 0 on.
    """

    def pick(value, name, default):
        return value if value is not None else (os.environ.get(f"KMNIST_ITL_{name}") or default)

    profile = get_profile(pick(profile, "PROFILE", "quick"))
    dataset = check_choice("dataset", pick(dataset, "DATASET", "auto"), DATASETS)
    seeds = pick(seeds, "SEEDS", 1)
    seeds = int(seeds) if isinstance(seeds, str) and seeds.isdecimal() else seeds
    return Parameters(profile, dataset, range(check_count("seeds", seeds)))


def is_on(name):
    """Whether KMNIST_ITL_<name> is 1; ValueError if it is something else than 0 or 1.

    GROW: kept measurements are taken as they are. DETERMINISTIC: TensorFlow is to be deterministic.
    """
    variable = f"KMNIST_ITL_{name}"
    return check_choice(variable, os.environ.get(variable, ""), ("", "0", "1")) == "1"


def project_dir():
    """The checkout that this package is used from, or else the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def notebooks():
    """The paths of the project's notebooks, a list; ValueError if there are none."""
    folder = project_dir() / "notebooks"
    if paths := sorted(folder.glob("[0-9]*.ipynb")):
        return paths
    raise ValueError(f"There are no notebooks in {folder}. Run this in a checkout of the project.")


def cache_dir():
    """Where downloads and trained runs are kept: KMNIST_ITL_CACHE, or .cache in the project's folder."""
    return _named_dir("KMNIST_ITL_CACHE", ".cache")


def _named_dir(variable, default):
    named = os.environ.get(variable)
    return Path(os.path.expanduser(named)).resolve() if named else project_dir() / default


def is_the_papers(dataset, profile):
    """Whether results can be compared with the paper: KMNIST, paper profile."""
    return (dataset, get_profile(profile).name) == ("kmnist", "paper")


def figures_dir(dataset, profile):
    """Where tables and figures go, as a Path: KMNIST_ITL_FIGURES, or figures in the project's folder.

    All but the paper profile on KMNIST goes to <dataset>-<profile> below it, so that a quick look never
    overwrites a result. `dataset` is the name of the data that were really used.
    """
    top = _named_dir("KMNIST_ITL_FIGURES", "figures")
    return top if is_the_papers(dataset, profile) else top / f"{dataset}-{get_profile(profile).name}"
