import os
import re
import subprocess
import sys

import pytest

from kmnist_itl import settings


def test_parameters_come_from_the_notebook_then_the_environment_then_the_defaults(monkeypatch):
    assert settings.parameters().profile.name == "quick"
    monkeypatch.setenv("KMNIST_ITL_PROFILE", "smoke")
    monkeypatch.setenv("KMNIST_ITL_SEEDS", "3")
    run = settings.parameters()
    assert (run.profile.name, run.dataset, list(run.seeds)) == ("smoke", "auto", [0, 1, 2])
    assert settings.parameters("paper", "digits", 1).profile.name == "paper"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"profile": "fast"}, "profile"),
        ({"dataset": "mnist"}, "dataset"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": "x"}, "seeds"),
    ],
)
def test_bad_parameters_are_named(given, named):
    with pytest.raises(ValueError, match=f"{named} must be .*got"):
        settings.parameters(**given)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "ten", None, True, float("nan"), float("inf")])
def test_check_count_refuses(bad):
    with pytest.raises(ValueError, match="latent_dim must be a whole number"):
        settings.check_count("latent_dim", bad)


def test_only_the_paper_profile_on_kmnist_stands_in_figures_itself(tmp_path):
    top = tmp_path / "figures"
    assert settings.figures_dir("kmnist", "paper") == top
    assert settings.figures_dir("kmnist", "smoke") == top / "kmnist-smoke"
    assert settings.figures_dir("digits", "paper") == top / "digits-paper"


def test_importing_the_package_is_light():
    code = "import sys, kmnist_itl; print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]


def test_tensorflow_starts_silently():
    code = "import kmnist_itl._tensorflow as t; t.tf.constant(1)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")


def test_xla_starts_silently_where_a_notebook_asks_for_it():
    code = (
        "import kmnist_itl._tensorflow as t; t.start_xla()\n"
        "assert t.tf.function(lambda x: x + 1, jit_compile=True)(1.0) == 2.0"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")


def start(**variables):
    """Import TensorFlow as we do, in another process."""
    code = "import kmnist_itl._tensorflow"
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_of_keras_is_one_sentence(backend, tmp_path):
    said = f"kmnist_itl needs Keras on TensorFlow, but .* says '{backend}': set .*KERAS_BACKEND"
    assert re.search(said, start(KERAS_BACKEND=backend).stderr.splitlines()[-1])
    (tmp_path / "keras.json").write_text(f'{{"backend": "{backend}"}}')
    of_file = start(KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert re.search(said, of_file.stderr.splitlines()[-1]) and "keras.json" in of_file.stderr
    assert start(KERAS_HOME=str(tmp_path), KERAS_BACKEND="tensorflow").returncode == 0


def test_a_crash_while_tensorflow_starts_is_not_silent(tmp_path):
    """What stderr held until then is shown after an error, and a native crash says where it happened."""
    (tmp_path / "keras.py").write_text("import os; os.write(2, b'a native reason'); raise ValueError('why')")
    failed = start(PYTHONPATH=str(tmp_path))
    assert "a native reason" in failed.stderr and "ValueError: why" in failed.stderr
    (tmp_path / "keras.py").write_text("import os; os.abort()")
    assert "Fatal Python error: Aborted" in start(PYTHONPATH=str(tmp_path)).stderr


def test_growing_is_0_or_1(monkeypatch):
    monkeypatch.delenv("KMNIST_ITL_GROW", raising=False)
    assert not settings.growing()
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    assert settings.growing()
    monkeypatch.setenv("KMNIST_ITL_GROW", "yes")
    with pytest.raises(ValueError, match="KMNIST_ITL_GROW must be one of '', '0', '1'; got 'yes'"):
        settings.growing()
    monkeypatch.setenv("KMNIST_ITL_DETERMINISTIC", "true")
    with pytest.raises(ValueError, match="KMNIST_ITL_DETERMINISTIC must be one of"):
        settings.deterministic()
