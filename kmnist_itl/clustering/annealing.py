"""The inner loop of `forms.merge_forms`, compiled by numba: millions of moves of forms between clusters."""

from concurrent.futures import CancelledError

import numba
import numpy as np

HOTTEST, COLDEST = 3e-3, 1e-4  # the first and the last temperature, in units of the information
_SHARE = 2 * 10**7  # additions between two looks for Ctrl-C: some hundredths of a second


def _compiled(function):
    """The function compiled; the machine code is kept on disk if some folder for it can be written."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:
        return numba.njit(function, nogil=True)


@_compiled
def information(table):
    """I_CS (see `forms`) of a symmetric table of sum 1, float64 [k, k]; a float."""
    marginal = np.zeros(len(table))
    joint, product, crossed = 0.0, 0.0, 0.0
    for a in range(len(table)):
        for b in range(len(table)):
            marginal[a] += table[a, b]
    for a in range(len(table)):
        product += marginal[a] ** 2
        for b in range(len(table)):
            joint += table[a, b] ** 2
            crossed += table[a, b] * marginal[a] * marginal[b]
    return np.log(joint) + 2 * np.log(product) - 2 * np.log(crossed)


def additions_of_a_step(branches, clusters):
    """About how many additions a step takes: it moves most of a branch, and sums up the merged table."""
    forms, moved = branches.shape[1], branches.sum() / len(branches)
    return int(moved * (forms + 4 * clusters)) + forms + 2 * clusters**2


def anneal(table, branches, merger, clusters, steps, rng, stopped):
    """The merger with the most information that one chain of simulated annealing meets, int64 [f].

    Of a symmetric `table`, float64 [f, f] of sum 1, from the start `merger`, ints [f]. The forms of a branch,
    bool [b, f], move together. A CancelledError ends the chain when `stopped`, a threading.Event, is set.
    """
    merger = merger.copy()
    joint = np.zeros((clusters, clusters))  # the table of the merged forms
    links = np.zeros((len(table), clusters))  # how often each form co-occurs with each cluster
    np.add.at(joint, (merger[:, None], merger), table)
    np.add.at(links, (np.arange(len(table))[:, None], merger), table)
    best, informations = merger.copy(), np.full(2, information(joint))
    share = max(1, _SHARE // additions_of_a_step(branches, clusters))
    for first in range(0, steps, share):
        if stopped.is_set():
            raise CancelledError
        numbers = first, min(first + share, steps), steps, HOTTEST, COLDEST
        _walk(table, branches, merger, joint, links, best, informations, *numbers, rng)
    return best


@_compiled
def _walk(table, branches, merger, joint, links, best, informations, first, last, steps, hot, cold, rng):
    """Steps `first` to `last` of a chain; `informations` are the present one and the highest so far."""
    moved = np.empty(2 * len(table), np.int64)
    for step in range(first, last):
        temperature = hot * (cold / hot) ** (step / steps)
        branch, back = branches[rng.integers(0, len(branches))], branches[rng.integers(0, len(branches))]
        old = merger[np.flatnonzero(branch)[rng.integers(0, np.sum(branch))]]
        new = rng.integers(0, len(joint))
        if old == new:
            continue
        some_come_back, count = rng.random() < 0.5, 0
        for form in range(len(table)):
            leaves = branch[form] and merger[form] == old
            if leaves or (some_come_back and back[form] and merger[form] == new):
                moved[count] = form
                count += 1
        _exchange(table, merger, joint, links, moved[:count], old, new)
        value = information(joint)
        if value >= informations[0] or rng.random() < np.exp((value - informations[0]) / temperature):
            informations[0] = value
            if value > informations[1]:
                best[:] = merger
                informations[1] = value
        else:
            _exchange(table, merger, joint, links, moved[:count], old, new)


@_compiled
def _exchange(table, merger, joint, links, moved, first, second):
    """Move forms of the first cluster to the second, and back, and with them the sums in joint and links."""
    for form in moved:
        old, new = merger[form], first + second - merger[form]
        for cluster in range(len(joint)):
            joint[old, cluster] -= links[form, cluster]
            joint[cluster, old] -= links[form, cluster]
            joint[new, cluster] += links[form, cluster]
            joint[cluster, new] += links[form, cluster]
        itself = table[form, form]
        joint[old, old] += itself
        joint[new, new] += itself
        joint[old, new] -= itself
        joint[new, old] -= itself
        for neighbour in range(len(table)):
            links[neighbour, old] -= table[neighbour, form]
            links[neighbour, new] += table[neighbour, form]
        merger[form] = new
