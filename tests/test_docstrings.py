"""The examples in the docstrings run as they stand in their module, and every public function has one."""

import doctest
import importlib
import pkgutil

import pytest


@pytest.fixture(params=["divergence", "priors", "clustering"])
def room(request):
    return importlib.import_module(f"kmnist_itl.{request.param}")


def test_the_examples_in_the_docstrings_run(room):
    modules = pkgutil.iter_modules(getattr(room, "__path__", ()), f"{room.__name__}.")
    finder, runner, wrong = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(), []
    for module in (room, *(importlib.import_module(module.name) for module in modules)):
        for example in finder.find(module):
            runner.run(example, out=wrong.append)
    assert not wrong, "".join(wrong)
    assert runner.tries > 5


def test_every_public_function_has_an_example(room):
    public = {
        name: thing
        for name, thing in vars(room).items()
        if callable(thing) and not name.startswith("_") and thing.__module__.startswith(room.__name__)
    }
    assert public and [name for name, thing in public.items() if ">>>" not in (thing.__doc__ or "")] == []
