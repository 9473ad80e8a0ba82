"""What the tests share: a small data set, and a cache and figures folder of their own."""

import numpy as np
import pytest

from kmnist_itl import data


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Nothing that a test trains, prepares or draws touches the project's own folders."""
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    for name in ("PROFILE", "DATASET", "SEEDS", "GROW"):
        monkeypatch.delenv(f"KMNIST_ITL_{name}", raising=False)


@pytest.fixture(scope="session")
def digits():
    return data.load("digits")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def few():
    """The digits, a hundred for training: what only has to be trained is trained soon."""
    return data.load("digits", limit=100)
