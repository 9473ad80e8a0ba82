import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from kmnist_itl import plots
from kmnist_itl.reproduction import drawings


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(axis):
    """What each curve or row of points with a label looks like."""
    return {
        line.get_label(): (line.get_marker(), line.get_linestyle(), line.get_color())
        for line in axis.get_lines()
        if not line.get_label().startswith("_")
    }


def test_accuracies_are_drawn_beside_the_papers_where_it_has_some():
    runs = pd.DataFrame({"prior": ["none", "none", "roll"], "accuracy": [0.5, 0.6, 0.7]})
    how = {"label": "accuracy (%)", "title": "accuracies"}
    axis = drawings.accuracies(runs, "prior", {"roll": 0.65}, **how).axes[0]
    paper = next(line for line in axis.get_lines() if line.get_label() == "paper")
    assert paper.get_xydata() == pytest.approx(np.array([[65, 1]]))
    for papers in ({}, {"other": 0.5}):
        figure = drawings.accuracies(runs, "prior", papers, **how)
        figure.draw_without_rendering()
        assert list(drawn(figure.axes[0])) == ["ours"]


def test_bottleneck_sizes_are_drawn_beside_the_papers_where_it_has_some():
    runs = pd.DataFrame({"latent_dim": [2, 2, 5], "accuracy": 0.5, "reconstruction_error": 0.1})
    for papers, labels in (
        ({2: 0.6}, {"paper", "ours, a point for each seed"}),
        ({}, {"ours, a point for each seed"}),
    ):
        left, right = drawings.bottleneck_sizes(runs, papers, title="sizes").axes
        assert set(drawn(left)) == labels
        assert list(left.get_xticks()) == list(right.get_xticks()) == [2, 5]


@pytest.mark.parametrize("count", [1, 5, 6, 12])
def test_the_effect_of_any_number_of_priors_is_drawn_each_with_a_look_of_its_own(count):
    settings = [f"prior {number}" for number in range(count)]
    gradients = pd.DataFrame(
        {"setting": name, "stage": stage, "gradient_reconstruction": 1.0, "gradient_csd": 0.1}
        for name in settings
        for stage in ("start", "end")
    )
    untrained = {"setting": "none", "stage": "start", "gradient_reconstruction": 1.0, "gradient_csd": np.nan}
    gradients = pd.concat([gradients, pd.DataFrame([untrained])])
    runs = pd.DataFrame({"setting": ["none", *settings], "accuracy": 0.5})
    figure = drawings.prior_effect(gradients, runs, "none", title="effect")
    left, right = figure.axes
    looks = drawn(left)
    assert list(looks) == ["reconstruction", *(f"CSD: {name}" for name in settings)]
    assert len(set(looks.values())) == count + 1
    assert [text.get_text() for text in right.get_yticklabels()] == ["none", *settings]


def test_curves_beyond_the_colours_are_drawn_each_with_a_look_of_its_own():
    curves = {f"curve {number}": np.arange(1.0, 4.0) for number in range(8)}
    for figure in (
        plots.lines(np.arange(3), curves, xlabel="x", ylabel="y", title="curves"),
        plots.csd_histories(curves, title="curves"),
    ):
        looks = drawn(figure.axes[0])
        assert list(looks) == list(curves) and len(set(looks.values())) == 8


def test_sweep_marks_the_papers_best():
    runs = pd.DataFrame({"lambda": [0.1, 1, 10], "csd": [1.0, 0.1, 0.01]})
    axis = drawings.sweep(runs, "lambda", {"csd": ("CSD", True)}, title="sweep", best=1).axes[0]
    assert axis.get_xscale() == axis.get_yscale() == "log" and list(drawn(axis)) == ["best in the paper"]
