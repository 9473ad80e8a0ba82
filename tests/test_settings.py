import fractions
import os
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import settings


def test_parameters_come_from_the_notebook_then_the_environment_then_the_defaults(monkeypatch):
    assert settings.parameters().profile.name == "quick"
    monkeypatch.setenv("KMNIST_ITL_PROFILE", "smoke")
    monkeypatch.setenv("KMNIST_ITL_SEEDS", "3")
    parameters = settings.parameters()
    assert (parameters.profile.name, parameters.dataset, parameters.seeds) == ("smoke", "auto", range(3))
    assert settings.parameters("paper", "digits", np.int64(1)).seeds == range(1)


@pytest.mark.parametrize("given", [{"profile": "fast"}, {"dataset": "mnist"}, {"seeds": "0"}, {"seeds": "x"}])
def test_bad_parameters_are_named(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be .*got"):
        settings.parameters(**given)


@pytest.mark.parametrize("bad", [np.array(["a", "b"]), ["a"], None, 1])
def test_check_choice_takes_strings_only(bad):
    with pytest.raises(ValueError, match="kind must be one of 'a', 'b'; got"):
        settings.check_choice("kind", bad, ("a", "b"))


@pytest.mark.parametrize("good", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_check_count_takes_whole_numbers(good):
    assert type(settings.check_count("latent_dim", good, at_most=3)) is int


@pytest.mark.parametrize("bad", [0, 2.0, "10", None, True, np.True_, np.float32(2), [3]])
def test_check_count_refuses(bad):
    with pytest.raises(ValueError, match="latent_dim must be a whole number of at least 1; got "):
        settings.check_count("latent_dim", bad)


def test_seeds_are_those_of_numpy_and_keras():
    assert settings.check_seed(np.uint32(2**32 - 1)) == 2**32 - 1
    for bad in (-1, 2**32):
        with pytest.raises(ValueError, match="seed must be a whole number from 0 to 4294967295; got "):
            settings.check_seed(bad)


@pytest.mark.parametrize("good", [0, 1, np.float16(0.5), np.int64(1), fractions.Fraction(1, 2)])
def test_check_number_takes_real_numbers(good):
    number = settings.check_number("rate", good, 0, 1)
    assert type(number) is float and number == good


@pytest.mark.parametrize("bad", [-0.1, 1.1, "1", None, True, np.True_, float("nan"), np.ones(2), 10**400])
def test_check_number_refuses(bad):
    with pytest.raises(ValueError, match="rate must be a number from 0 to 1; got "):
        settings.check_number("rate", bad, 0, 1)


def test_only_the_paper_profile_on_kmnist_stands_in_figures_itself(tmp_path):
    top = tmp_path / "figures"
    assert settings.figures_dir("kmnist", "paper") == top
    assert settings.figures_dir("kmnist", "smoke") == top / "kmnist-smoke"
    assert settings.figures_dir("digits", "paper") == top / "digits-paper"


def start(code="import kmnist_itl._tensorflow", shell="", cwd=None, **variables):
    """Run code in another process; `shell` stands behind the command."""
    command = f"exec '{sys.executable}' -c '{code}' {shell}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, cwd=cwd)


def test_importing_the_package_loading_digits_and_telling_bad_arguments_are_light():
    code = """
import sys, kmnist_itl
print({"tensorflow", "numpy"} & sys.modules.keys())
from kmnist_itl.reproduction import command
print(command.main(["figures", "--profile", "fast"]))
kmnist_itl.data.load("digits")
print({"tensorflow", "keras"} & sys.modules.keys())
"""
    assert start(code).stdout == "set()\n2\nset()\n"


def test_tensorflow_and_xla_start_silently_whatever_keras_json_says(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    code = (
        "import kmnist_itl._tensorflow as t; t.start_xla()\n"
        "print(float(t.tf.function(lambda x: x + 1, jit_compile=True)(1.0)))"
    )
    answer = start(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "2.0\n", "")


def test_the_import_works_wherever_that_of_keras_does(tmp_path):
    """Without a home and with stderr closed; in a folder of its own: Keras then writes to one named ~."""
    code = 'import os, pwd; del os.environ["HOME"]; pwd.getpwuid = {}.__getitem__\n'
    assert start(code + "import kmnist_itl._tensorflow", "2>&-", cwd=tmp_path).returncode == 0


def test_another_backend_of_keras_is_one_sentence():
    last = start(KERAS_BACKEND="torch").stderr.splitlines()[-1]
    assert last.startswith(
        "ImportError: kmnist_itl needs Keras on TensorFlow, but Keras is to run on 'torch'"
    )
