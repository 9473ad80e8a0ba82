"""The profiles (smoke, quick, paper), what a notebook's parameters mean, and where things are kept."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """How much is trained.

    ``train_images`` caps the training images (None: all), ``epochs`` is the most that a training takes,
    ``patience`` the epochs without a better validation loss after which it stops.
    The paper gives neither epochs nor patience; its Fig 6 ends at about 100 epochs.
    """

    name: str
    train_images: int | None
    epochs: int
    patience: int = 8


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("smoke", train_images=1_000, epochs=2),
        Profile("quick", train_images=6_000, epochs=16),
        Profile("paper", train_images=None, epochs=100),
    )
}
DATASETS = ("auto", "kmnist", "digits")

# The paper's section III.B: "Throughout the paper" Adam at 1e-3 and mini-batches of 1,000.
BATCH_SIZE = 1_000
LEARNING_RATE = 1e-3


def check_choice(name, value, choices):
    """Return `value` if it is among `choices`, else raise a ValueError that lists them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def check_count(name, value, at_least=1):
    """Return `value` as an int; raise a ValueError if it is no whole number of `at_least` or more."""
    try:
        number = int(value)
        whole = number == float(value) and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or number < at_least:
        raise ValueError(f"{name} must be a whole number of at least {at_least}; got {value!r}.")
    return number


def get_profile(profile):
    """The Profile of that name (a Profile is handed back as it is); ValueError for an unknown name."""
    if isinstance(profile, Profile):
        return profile
    return PROFILES[check_choice("profile", profile, tuple(PROFILES))]


@dataclass(frozen=True)
class Parameters:
    """A notebook's parameters, checked: a Profile, the data set's name ('auto': not named), the seeds."""

    profile: Profile
    dataset: str
    seeds: range


def parameters(profile=None, dataset=None, seeds=None):
    """Check a notebook's parameters and fill in those that are None.

    A parameter that is None comes from KMNIST_ITL_PROFILE, KMNIST_ITL_DATASET or KMNIST_ITL_SEEDS, and
    without that is 'quick', 'auto' (KMNIST, or scikit-learn's digits if it is not available) and 1.
    `seeds` is how many seeds, 0 to seeds - 1, each experiment is repeated with.
    Raises ValueError for an unknown profile or dataset and for seeds < 1.
    """

    def pick(value, variable, default):
        return value if value is not None else (os.environ.get(variable) or default)

    return Parameters(
        profile=get_profile(pick(profile, "KMNIST_ITL_PROFILE", "quick")),
        dataset=check_choice("dataset", pick(dataset, "KMNIST_ITL_DATASET", "auto"), DATASETS),
        seeds=range(check_count("seeds", pick(seeds, "KMNIST_ITL_SEEDS", 1))),
    )


def growing():
    """Whether measurements that stand in the store are taken as they are (KMNIST_ITL_GROW=1).

    Raises ValueError as `deterministic`.
    """
    return _is_on("KMNIST_ITL_GROW")


def deterministic():
    """Whether TensorFlow's deterministic operations are asked for (KMNIST_ITL_DETERMINISTIC=1).

    Raises ValueError if the variable is neither 0, 1 nor empty.
    """
    return _is_on("KMNIST_ITL_DETERMINISTIC")


def _is_on(variable):
    return check_choice(variable, os.environ.get(variable, ""), ("", "0", "1")) == "1"


def project_dir():
    """The checkout that this package is used from, or else the current folder, as a Path."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def cache_dir():
    """Where prepared data and trained runs are kept: KMNIST_ITL_CACHE, or .cache in the project's folder."""
    named = os.environ.get("KMNIST_ITL_CACHE")
    return Path(os.path.expanduser(named)).resolve() if named else project_dir() / ".cache"


def is_the_papers(dataset, profile):
    """Whether what is measured can be compared with the paper: KMNIST, paper profile."""
    return (dataset, get_profile(profile).name) == ("kmnist", "paper")


def figures_dir(dataset, profile):
    """Where tables and figures go, as a Path.

    The paper profile on KMNIST stands in figures/; every other combination has a folder of its own below
    it, named <dataset>-<profile>, so that a quick look never overwrites a result. `dataset` is the name of
    the data that were really used. KMNIST_ITL_FIGURES names another folder than figures/.
    """
    named = os.environ.get("KMNIST_ITL_FIGURES")
    top = Path(os.path.expanduser(named)).resolve() if named else project_dir() / "figures"
    return top if is_the_papers(dataset, profile) else top / f"{dataset}-{get_profile(profile).name}"
