"""The examples in the docstrings run as they stand, and every public function of these rooms has one."""

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("divergence", "priors", "clustering")


def modules(room):
    """The module, and if it is a package those in it."""
    room = importlib.import_module(f"kmnist_itl.{room}")
    names = [module.name for module in pkgutil.iter_modules(getattr(room, "__path__", ()))]
    return [room, *(importlib.import_module(f"{room.__name__}.{name}") for name in names)]


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_in_the_docstrings_run(room):
    # Without the module's names, as in a reader's own session: an example imports what it uses.
    finder, runner, wrong = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(), []
    for module in modules(room):
        for example in finder.find(module, globs={"__name__": "__main__"}):
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
