"""Forms merged into clusters, so that the cluster of a point says most about that of its neighbour.

With P the symmetrized joint distribution of the two clusters and p its marginal, we maximize

    I_CS = log sum_ab P_ab^2 + log sum_ab (p_a p_b)^2 - 2 log sum_ab P_ab p_a p_b,

the Cauchy-Schwarz quadratic mutual information. It is log k for k equally frequent clusters that neighbours
never leave: it asks for few neighbours in another cluster, and for clusters of one size.

Source: Principe, Information Theoretic Learning, 2010, chapter 2 (I_CS). The merging is this project's own.
"""

import numpy as np
import pandas as pd

CHAINS = 8  # of the local search
KICKS, KICKED = 12, 4  # of a chain, for each form, and the forms of a kick
MOST_MOVES = 50_000_000  # about the moves that a chain looks at after its kicks
LEAST = 1e-12  # less is rounding


def merge_forms(table, clusters, seed=0):
    """Merge forms into clusters, looking for the largest I_CS of the merged table.

    Each chain is an iterated local search. From a random merger it takes the best move of one form to another
    cluster, or else the best exchange of two, until none has more information. Then four forms are kicked
    into random clusters, and the search goes on from there; what has less information in the end is undone.
    A cluster may end empty: three forms of 6, 2 and 2 have less information in three clusters than in two.

    Of P of the forms, float64 [f, f], f >= `clusters`, returns the cluster of each form, int64 [chains, f],
    numbered by their first form, and the I_CS, float64 [chains], the best first.
    """
    climb = max(1, clusters / 10) ** 2  # of more than ten clusters a climb takes more, and dearer, moves
    kicks = min(KICKS * len(table), 1 + int(MOST_MOVES / (len(table) ** 2 * clusters * climb)))
    rng, starts, kicked = np.random.default_rng(seed), [], []
    for _ in range(CHAINS):
        starts.append(rng.permutation(np.arange(len(table)) % clusters))  # each cluster has a form
        kicked += [[rng.integers(end, size=KICKED) for end in (len(table), clusters)] for _ in range(kicks)]
    kicked = np.reshape(kicked, (CHAINS, kicks, 2, KICKED)).astype(np.int64)
    mergers, informations = search(table, np.array(starts), kicked, clusters)
    order = np.argsort(-informations, kind="stable")
    return np.array([pd.factorize(merger)[0] for merger in mergers[order]]), informations[order]


def search(table, starts, kicked, clusters):
    """The best mergers of chains, ints [c, f], that begin at `starts`, and their I_CS.

    `kicked` are the forms and clusters of each chain's kicks, ints [c, kicks, 2, 4]. The chains go on side by
    side, each at its own pace, since the calls of NumPy take most of the time.
    """
    now, best, most = starts.copy(), starts.copy(), np.full(len(starts), -np.inf)
    climbs = np.zeros(len(starts), int)  # that have ended: one, and one after each kick
    while (running := climbs <= kicked.shape[1]).any():
        here = np.eye(clusters)[now]
        links = table @ here  # how often each form co-occurs with each cluster
        joint = here.swapaxes(1, 2) @ links
        present = information(joint)
        # The best move; where none has more information, the best exchange; else the climb has ended.
        moves = _moves(table, here, links, joint)
        (form, new), rises = _best(joint, moves, present)
        now[rises, form[rises]] = new[rises]
        stay = np.flatnonzero(running & ~rises)
        of_stay = [*moves[:2], *(part[..., stay, :, :] for part in moves[2:])]
        exchanges = _exchanges(table, here[stay], links[stay], of_stay)
        pair, rises = _best(joint[stay], exchanges, present[stay])
        (first, second), some = pair[:, rises], stay[rises]
        now[some, first], now[some, second] = now[some, second], now[some, first]
        ended = stay[~rises]
        better = ended[present[ended] >= most[ended]]
        best[better], most[better] = now[better], present[better]
        climbs[ended] += 1
        ended = ended[climbs[ended] <= kicked.shape[1]]
        forms, new = kicked[ended, climbs[ended] - 1].swapaxes(0, 1)
        now[ended] = best[ended]
        now[ended[:, None], forms] = new
    return best, most


def _best(joint, changes, present):
    """The numbers of the best of changes [c, m, n], ints [2, c], and whether it is above the present I_CS."""
    values = _informations_after(joint, changes)
    flat = values.reshape(len(values), values.shape[1] * values.shape[2])
    best = flat.argmax(axis=1)
    return np.array(np.divmod(best, values.shape[2])), flat[np.arange(len(flat)), best] > present + LEAST


def information(joint):
    """I_CS of symmetric tables of sum 1, float64 [..., k, k]; float64 [...]."""
    marginal = joint.sum(axis=-1)
    squares = np.sum(joint**2, axis=(-2, -1)) * np.sum(marginal**2, axis=-1) ** 2
    return np.log(squares / _crossed(joint, marginal) ** 2)


def _crossed(joint, marginal):
    return np.einsum("...a,...ab,...b", marginal, joint, marginal)


def _moves(table, here, links, joint):
    """The changes (see `_informations_after`) that move a form to a cluster, [c, f, k].

    Of mergers as indicators, floats [c, f, k], with the forms' links, [c, f, k], and their tables, [c, k, k].
    """
    marginal, peak = joint.sum(axis=1, keepdims=True), np.diagonal(joint, axis1=1, axis2=2)[:, None]
    parts = np.stack(np.broadcast_arrays(links, links @ joint, marginal, marginal @ joint, peak))
    at_old = np.sum(parts * here, axis=3, keepdims=True)
    changed = parts - at_old
    changed[4] += 2 * (at_old[4] - here @ joint)
    itself, size = table.diagonal()[:, None], table.sum(axis=1)[:, None]
    squares, on_marginal = np.sum(links**2, axis=2, keepdims=True), links @ marginal.swapaxes(1, 2)
    return itself, size, squares, on_marginal, changed, here == 0


def _exchanges(table, here, links, moves):
    """The changes that exchange the clusters of two forms, [c, f, f]; arguments and moves as in `_moves`."""
    itself, size, squares, on_marginal, changed, _ = moves
    changed = changed @ here.swapaxes(1, 2)
    changed[:2] += changed[:2].swapaxes(2, 3)
    return (
        itself + itself.T - 2 * table,
        size - size.T,
        squares + squares.swapaxes(1, 2) - 2 * links @ links.swapaxes(1, 2),
        on_marginal - on_marginal.swapaxes(1, 2),
        changed,
        here @ here.swapaxes(1, 2) == 0,
    )


def _informations_after(joint, changes):
    """The I_CS of merged tables, [c, k, k], after each of many changes, float64 [c, m, n]; -inf for none.

    A change takes what co-occurs with the clusters as in l, [k], and with itself as in s, from cluster old to
    new. With d = e_new - e_old and h = l + s d / 2 the table J becomes J + d h^T + h d^T, of which only the
    sums that the information needs are taken. With the marginal p, `changes` are s, the sum of l, l^2, l p;
    an array of l d, l J d, p d, p J d and d J d; and whether there is a change.
    """
    itself, size, squares, on_marginal, (step, grown, change, across, curved), is_one = changes
    marginal = joint.sum(axis=1)
    totals = np.sum(joint**2, axis=(1, 2)), np.sum(marginal**2, axis=1), _crossed(joint, marginal)
    together, product, crossed = (total[:, None, None] for total in totals)
    lengths = squares + itself * step + itself**2 / 2  # h^2
    together = together + 4 * (grown + lengths) + 2 * itself * curved + 2 * (step + itself) ** 2
    product = product + 2 * size * (change + size)
    crossed = crossed + 2 * size * across + size**2 * curved
    crossed += (change + 2 * size) * (2 * on_marginal + itself * change + 2 * size * (step + itself))
    with np.errstate(invalid="ignore", divide="ignore"):  # where there is no change
        return np.where(is_one, np.log(together * product**2 / crossed**2), -np.inf)
