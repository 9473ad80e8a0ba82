"""The inner loop of `forms.join_forms`, compiled by numba: millions of moves of forms between clusters."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def anneal(table, branches, join, clusters, steps, hot, cold, rng):
    """The join with the most information that one chain of simulated annealing meets.

    Args:
        table: float64 [f, f], symmetric, of sum 1.
        branches: bool [b, f]: the forms that move together.
        join: ints [f], the cluster of each form at the start.
        clusters, steps: ints.
        hot, cold: the first and the last temperature.
        rng: numpy.random.Generator.

    Returns:
        int64 array [f].
    """
    forms = len(table)
    join = join.copy()
    joint = np.zeros((clusters, clusters))
    links = np.zeros((forms, clusters))  # how often each form goes with each cluster
    for i in range(forms):
        for j in range(forms):
            joint[join[i], join[j]] += table[i, j]
            links[i, join[j]] += table[i, j]
    now = _information(joint)
    best, most = join.copy(), now
    moved = np.empty(2 * forms, np.int64)
    for step in range(steps):
        temperature = hot * (cold / hot) ** (step / steps)
        branch, back = rng.integers(0, len(branches)), rng.integers(0, len(branches))
        old, new = join[_any_of(branches[branch], rng)], rng.integers(0, clusters)
        if old == new:
            continue
        some_come_back = rng.random() < 0.5
        count = 0
        for i in range(forms):
            goes = branches[branch, i] and join[i] == old
            comes = some_come_back and branches[back, i] and join[i] == new
            if goes or comes:
                moved[count] = i
                count += 1
        for n in range(count):
            _move(table, join, joint, links, moved[n], new if join[moved[n]] == old else old)
        value = _information(joint)
        if value >= now or rng.random() < np.exp((value - now) / temperature):
            now = value
            if now > most:
                best, most = join.copy(), now
        else:
            for n in range(count):
                _move(table, join, joint, links, moved[n], new if join[moved[n]] == old else old)
    return best


@numba.njit(cache=True)
def _any_of(branch, rng):
    """A random form of a branch."""
    which = rng.integers(0, np.sum(branch))
    for i in range(len(branch)):
        if branch[i]:
            if which == 0:
                return i
            which -= 1
    return 0


@numba.njit(cache=True)
def _move(table, join, joint, links, form, new):
    old = join[form]
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
    for other in range(len(table)):
        links[other, old] -= table[other, form]
        links[other, new] += table[other, form]
    join[form] = new


@numba.njit(cache=True)
def _information(joint):
    """I_CS of a symmetric table, as in `forms`."""
    clusters = len(joint)
    marginal = np.zeros(clusters)
    joined, product, crossed = 0.0, 0.0, 0.0
    for a in range(clusters):
        for b in range(clusters):
            marginal[a] += joint[a, b]
    for a in range(clusters):
        product += marginal[a] ** 2
        for b in range(clusters):
            joined += joint[a, b] ** 2
            crossed += joint[a, b] * marginal[a] * marginal[b]
    return np.log(joined) + 2 * np.log(product) - 2 * np.log(crossed)
