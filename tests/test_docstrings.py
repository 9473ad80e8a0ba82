"""The examples in the docstrings run as they stand, and every public function has one."""

import doctest
import inspect

import pytest

from kmnist_itl import clustering, divergence, forms, priors

MODULES = (divergence, priors, clustering, forms)


def public(module):
    """The public functions and classes that are defined in the module, by name."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_") and inspect.getmodule(thing) is module and callable(thing)
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module):
    # Without the module's names, as in a reader's own session: an example imports what it uses.
    examples = doctest.DocTestFinder(exclude_empty=True).find(module, globs={"__name__": "__main__"})
    assert sum(len(example.examples) for example in examples) > 5
    wrong = []
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example, out=wrong.append)
    assert not wrong, "".join(wrong)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_function_has_an_example(module):
    assert [name for name, thing in public(module).items() if ">>>" not in (thing.__doc__ or "")] == []
