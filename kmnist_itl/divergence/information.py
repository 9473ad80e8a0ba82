"""Quadratic mutual information: how much two views of the same things depend on each other."""

from . import checks, kernel_size
from .backend import tf
from .divergences import euclidean
from .pairs import log_mean, log_row_means
from .potentials import log_peak


def quadratic_mutual_information(
    x=None, y=None, sigma_x=None, sigma_y=None, *, table=None, divergence="cauchy_schwarz", block_size=None
):
    """The divergence between the joint density of pairs (x_i, y_i) and the product of the marginal ones.

        I_CS = log(V_J V_M / V_C^2)   or   I_ED = V_J + V_M - 2 V_C

    By Parzen windows, with K_ij = K_{sigma_x sqrt 2}(x_i - x_j) and L_ij = K_{sigma_y sqrt 2}(y_i - y_j):

        V_J = mean_ij K_ij L_ij,   V_M = mean_ij K_ij mean_ij L_ij,   V_C = mean_i (mean_j K_ij mean_j L_ij)

    For a table P with the marginals p and q (its row and column sums; the sum of P is made 1):

        V_J = sum_ab P_ab^2,   V_M = sum_ab (p_a q_b)^2,   V_C = sum_ab P_ab p_a q_b

    It is 0 if and only if P = p q^T. Of k equally likely clusters that two views agree on, I_CS is log k.
    Source: Principe 2010, chapter 2; Xu et al., "A novel measure for independent component analysis (ICA)",
    ICASSP 1998.

    Args:
        x, y: floats [N, d_x] and [N, d_y], row by row a pair.
        sigma_x, sigma_y, block_size: as in `log_information_potential`, each of its own points.
        table: instead of samples, numbers >= 0 [a, b], not all 0, such as how often cluster a of one view
            co-occurs with cluster b of the other, or their expectation A^T B of soft assignments.
        divergence: 'cauchy_schwarz' or 'euclidean'.

    Returns a scalar of the dtype of x and y or of the table (float32 for whole numbers), differentiable.
    Raises as `log_information_potential`; ValueError also if x and y differ in length or a table is no such.

    >>> round(float(quadratic_mutual_information(table=[[0.5, 0.0], [0.0, 0.5]])), 4)
    0.6931
    """
    checks.choice("divergence", divergence, ("cauchy_schwarz", "euclidean"))
    given = [value is not None for value in (x, y, sigma_x, sigma_y)]
    if table is not None and not any(given):
        return _of_table(table, divergence)
    if table is not None or not all(given):
        raise ValueError("give x, y, sigma_x and sigma_y, or a table alone.")
    x, y, dtype = checks.samples(same=0, x=x, y=y)
    sigma_x = kernel_size.resolve(sigma_x, "sigma_x", x=x)
    sigma_y = kernel_size.resolve(sigma_y, "sigma_y", y=y)
    x_scaled, y_scaled = x / sigma_x, y / sigma_y
    both = tf.concat([x_scaled, y_scaled], axis=1)
    rows_joint, rows_x, rows_y = (log_row_means(p, p, block_size) for p in (both, x_scaled, y_scaled))
    joint, product = log_mean(rows_joint), log_mean(rows_x) + log_mean(rows_y)
    crossed = log_mean(rows_x + rows_y)
    if divergence == "cauchy_schwarz":
        return tf.cast(joint + product - 2 * crossed, dtype)
    peak = log_peak(x, sigma_x) + log_peak(y, sigma_y)
    return tf.cast(euclidean(joint, product, crossed, peak), dtype)


def _of_table(table, divergence):
    table = checks.array("table", table, [None, None])
    dtype = tf.float64 if table.dtype == tf.float64 else tf.float32
    joint = checks.proportions("table", table)
    product = tf.reduce_sum(joint, axis=1, keepdims=True) * tf.reduce_sum(joint, axis=0, keepdims=True)
    difference = joint - product
    if divergence == "euclidean":
        return tf.cast(tf.reduce_sum(tf.square(difference)), dtype)
    # log(|m|^2 |m + u|^2 / (m^T (m + u))^2) with A = |m|^2, B = m^T u and C = |u|^2 is
    # log(1 + (A C - B^2) / (A + B)^2): no small difference of large numbers is left.
    factors = ((product, product), (product, difference), (difference, difference))
    a, b, c = (tf.reduce_sum(left * right) for left, right in factors)
    return tf.cast(tf.math.log1p((a * c - tf.square(b)) / tf.square(a + b)), dtype)
