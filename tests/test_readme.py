"""README.md's examples are run as they stand there."""

import re

from kmnist_itl import settings

README = (settings.project_dir() / "README.md").read_text(encoding="utf-8")


def test_the_layer_in_a_strangers_model(capsys):
    (example,) = [code for code in _examples() if "keras.Model" in code]
    assert len([line for line in example.splitlines() if line]) <= 12
    names = {}
    exec(example, names)
    history = names["model"].history.history
    assert history["csd"][-1] < history["csd"][0] and history["loss"][-1] < history["loss"][0]
    assert "csd" in capsys.readouterr().out


def _examples():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)
