"""The examples in the docstrings run as they stand in their module, and every public function has one."""

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("divergence", "priors", "clustering")


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_in_the_docstrings_run(room):
    room = importlib.import_module(f"kmnist_itl.{room}")
    names = [room.__name__] + [
        f"{room.__name__}.{module.name}" for module in pkgutil.iter_modules(getattr(room, "__path__", ()))
    ]
    finder, runner, wrong = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(), []
    for module in map(importlib.import_module, names):
        for example in finder.find(module):
            runner.run(example, out=wrong.append)
    assert not wrong, "".join(wrong)
    assert runner.tries > 5


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_has_an_example(room):
    package = importlib.import_module(f"kmnist_itl.{room}")
    public = {
        name: thing
        for name, thing in vars(package).items()
        if callable(thing) and not name.startswith("_") and thing.__module__.startswith(package.__name__)
    }
    assert public and [name for name, thing in public.items() if ">>>" not in (thing.__doc__ or "")] == []
