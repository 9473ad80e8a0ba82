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
    assert axis.get_xlabel() == "accuracy (%)"
    paper = next(line for line in axis.get_lines() if line.get_label() == "paper")
    assert paper.get_xydata() == pytest.approx(np.array([[65, 1]]))
    for papers in ({}, {"other": 0.5}):
        figure = drawings.accuracies(runs, "prior", papers, **how)
        figure.draw_without_rendering()
        assert list(drawn(figure.axes[0])) == ["ours", "ours, mean"]


def test_bottleneck_sizes_are_drawn_beside_the_papers_where_it_has_some():
    runs = pd.DataFrame({"latent_dim": [2, 5], "seed": 0, "accuracy": 0.5, "reconstruction_error": 0.1})
    ours = {"ours, mean", "ours, a point for each seed"}
    for papers, labels in (({2: 0.6}, {"paper, one run", *ours}), ({}, ours)):
        left, right = drawings.bottleneck_sizes(runs, papers, title="sizes").axes
        assert set(drawn(left)) == labels
        assert list(left.get_xticks()) == list(right.get_xticks()) == [2, 5]


def test_points_of_seeds_stand_side_by_side_around_an_interval_of_their_mean():
    runs = pd.DataFrame({"latent_dim": [2, 2, 5, 5], "seed": [0, 7, 0, 7], "reconstruction_error": 0.1})
    runs["accuracy"] = [0.5, 0.6, 0.7, 0.7]
    left, _ = drawings.bottleneck_sizes(runs, {}, title="sizes").axes
    points = next(line for line in left.get_lines() if line.get_marker() == "o").get_xydata()
    assert len(np.unique(points, axis=0)) == 4 and points[:, 0] == pytest.approx([0.8, 3.2, 3.8, 6.2])
    ((bars,),) = (container.lines[2] for container in left.containers)
    low, high = bars.get_segments()[0][:, 1]
    assert (low + high) / 2 == pytest.approx(55) and high - low > 100  # two seeds: 12.7 standard errors


@pytest.mark.parametrize(
    "accuracies, finding",
    [
        ([0.80, 0.90, 0.905], "Highest mean with 30 codes, 90.6%; 20 codes are not surely worse"),
        ([0.905, 0.904, 0.905], "Highest mean with 10 codes, 90.6%; 20 and 30 codes are not surely worse"),
        ([0.80, 0.95, 0.90], "Highest mean with 20 codes, 95.1%, surely"),
    ],
)
def test_the_finding_on_bottleneck_sizes_is_made_from_the_numbers(accuracies, finding):
    rows = [
        {"latent_dim": size, "accuracy": accuracy + noise}
        for noise in (0, 0.002)
        for size, accuracy in zip((10, 20, 30), accuracies, strict=True)
    ]
    assert drawings.bottleneck_finding(pd.DataFrame(rows)) == finding
    one = drawings.bottleneck_finding(pd.DataFrame(rows[:3]))
    assert one.startswith("Highest mean with") and one.endswith("%, in one run each")


@pytest.mark.parametrize("count", [1, 5, 6, 12])
def test_the_effect_of_any_number_of_priors_is_drawn_each_with_a_look_of_its_own(count):
    settings = [f"prior {number}" for number in range(count)]
    gradients = pd.DataFrame(
        {"setting": name, "stage": stage, "ratio": 0.1} for name in settings for stage in ("start", "end")
    )
    untrained = {"setting": "none", "stage": "start", "ratio": np.nan}
    gradients = pd.concat([gradients, pd.DataFrame([untrained])])
    runs = pd.DataFrame({"setting": ["none", *settings], "accuracy": 0.5})
    figure = drawings.prior_effect(gradients, runs, "none", title="effect")
    left, right = figure.axes
    looks = drawn(left)
    assert list(looks) == ["as hard as the reconstruction", *settings]
    assert len(set(looks.values())) == count + 1 and left.get_yscale() == "log"
    assert [text.get_text() for text in right.get_yticklabels()] == ["none", *settings]


def test_curves_beyond_the_colours_are_drawn_each_with_a_look_of_its_own():
    curves = {f"curve {number}": np.arange(1.0, 4.0) for number in range(8)}
    trainings = {label: [(values, 2)] for label, values in curves.items()}
    for figure in (
        plots.lines(np.arange(3), curves, xlabel="x", ylabel="y", title="curves"),
        plots.csd_histories(trainings, title="curves"),
    ):
        looks = drawn(figure.axes[0])
        assert list(looks)[:8] == list(curves) and len({looks[label] for label in curves}) == 8


def test_a_band_is_drawn_around_a_curve():
    x, band = np.arange(3), ("band", np.zeros(3), np.ones(3))
    axis = plots.lines(x, {"curve": x}, xlabel="x", ylabel="y", title="t", band=band).axes[0]
    (drawn_band,) = axis.collections
    assert drawn_band.get_label() == "band" and drawn_band.get_paths()[0].get_extents().ymax == 1


def test_each_training_has_a_curve_and_a_dot_at_the_epoch_whose_weights_were_taken():
    trainings = {"sigma = 1": [([3, 2, 1], 2), ([4, 1], 2)], "not kept": []}
    axis = plots.csd_histories(trainings, title="curves").axes[0]
    curves = [line for line in axis.get_lines() if len(line.get_xdata()) > 1]
    dots = [line.get_xydata()[0].tolist() for line in axis.get_lines() if len(line.get_xdata()) == 1]
    assert [len(curve.get_xdata()) for curve in curves] == [3, 2] and dots == [[2, 2], [2, 1]]
    assert list(drawn(axis)) == ["sigma = 1", "weights of this epoch\nwere taken"]


def test_sweep_marks_the_papers_best_and_a_baseline_in_one_legend():
    runs = pd.DataFrame({"lambda": [0.1, 1, 10], "csd": [1.0, 0.1, 0.01], "distance": [0.1, 0.2, 0.3]})
    measures = {"csd": ("CSD", True), "distance": ("distance", False)}
    baselines = {"distance": ("a blob's", 0.25)}
    figure = drawings.sweep(runs, "lambda", measures, title="sweep", best=1, baselines=baselines)
    first, second = figure.axes
    assert first.get_xscale() == first.get_yscale() == "log" and second.get_yscale() == "linear"
    usual = ["mean", "one training", "best in the paper"]
    assert list(drawn(first)) == usual and list(drawn(second)) == [*usual, "a blob's"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*usual, "a blob's"]
    assert second.get_ylim()[0] > 0


def confusion(ours, papers):
    names = [f"class {number}" for number in range(10)]
    how = {"ours_title": "ours", "paper_title": "the paper's", "title": "confusions"}
    return plots.confusion(ours, papers, names, **how)


def numbers(axis):
    return sorted(int(text.get_text()) for text in axis.texts)


def test_a_confusion_matrix_leaves_small_counts_and_small_differences_blank():
    ours, papers = (np.full((10, 10), 4) for _ in range(2))
    ours[0, :3], papers[0, :3] = (90, 10, 5), (96, 4, 5)
    panels = {axis.get_title(): axis for axis in confusion(ours, papers).axes}
    assert numbers(panels["ours"]) == [5, 10, 90] and numbers(panels["the paper's"]) == [5, 96]
    assert numbers(panels["ours minus the paper's"]) == [-6, 6]
    difference = panels["ours minus the paper's"].collections[0]
    assert difference.get_cmap().name == "PRGn" and difference.get_clim() == (-6, 6)
    scales = [panels[name].collections[0].get_clim() for name in ("ours", "the paper's")]
    assert scales == [(5, 96)] * 2


def test_words_stand_in_the_place_of_a_matrix_that_was_not_published():
    for ours in (np.eye(10, dtype=int) * 9, np.zeros((10, 10), int)):
        figure = confusion(ours, "Never published.")
        figure.draw_without_rendering()
        assert [text.get_text() for text in figure.axes[0].texts] == ["Never published."]
        assert "ours minus the paper's" not in [axis.get_title() for axis in figure.axes]


def test_codes_are_drawn_on_shared_axes_with_the_sheet_of_the_prior(rng):
    codes = {
        name: (scale * rng.normal(size=(50, 3)), np.arange(50) % 10) for name, scale in (("a", 1), ("b", 9))
    }
    panels = codes | {"grey": (np.zeros((5, 3)), None)}
    figure = plots.codes_3d(panels, list("abcdefghij"), title="codes", sheet=np.full((2, 4, 3), 70.0))
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "grey"]
    for limits in ("get_xlim", "get_ylim", "get_zlim"):
        ((low, high),) = {tuple(getattr(axis, limits)()) for axis in figure.axes}
        assert low < -9 and high >= 70
    assert all(len(axis.collections) == 2 for axis in figure.axes)


def test_the_papers_spans_are_drawn_on_shared_axes(rng):
    labels = np.arange(50) % 10
    panels = {
        name: (scale * rng.normal(size=(50, 3)), labels, labels) for name, scale in (("a", 1), ("b", 5))
    }
    figure = plots.clusters_and_classes(panels, list("abcdefghij"), title="codes", spans={"a": (4, 3)})
    upper_a, upper_b, lower_a, lower_b = figure.axes
    assert upper_a.get_xlim() == lower_b.get_xlim() and upper_a.get_aspect() == 1
    for axis in (upper_a, lower_a):
        (box,) = axis.patches
        assert box.get_bbox().extents.tolist() == [-4, -3, 4, 3]
    assert not (*upper_b.patches, *lower_b.patches)


def test_the_ends_of_a_walk_are_named():
    how = {"across": "across", "down": "down", "title": "walk"}
    ends = plots.walk(np.zeros((2, 3, 784)), **how, ends=("left", "right", "top", "bottom")).axes
    assert (ends[3].get_xlabel(), ends[5].get_xlabel()) == ("left", "right")
    assert (ends[0].get_ylabel(), ends[3].get_ylabel()) == ("top", "bottom")
    assert len(plots.walk(np.zeros((1, 3, 784)), **how).axes) == 3


def test_forms_stand_in_the_row_of_their_cluster_the_largest_first():
    images = np.repeat(np.linspace(0, 1, 4)[:, None], 784, axis=1)
    found, clusters = np.array([0, 1, 1, 2]), [1, 1, 0]
    figure = plots.forms(images, found, clusters, {"first": [2], "second": [0, 1], "none": []}, title="forms")
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_xlabel() for axis in shown] == ["1 in 0", "2 in 1", "1 in 1"]
    np.testing.assert_allclose(shown[1].images[0].get_array(), 0.5)  # a mean of two
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["first", "second", "none"]
    with_typical = plots.forms(images, found, clusters, {"all": [0, 1, 2]}, title="forms", typical=[0, 2, 3])
    assert with_typical.axes[0].images[0].get_array().shape == (28, 56)


def test_a_map_has_a_panel_for_each_colouring():
    classes = np.arange(10)
    names = [f"class {number}" for number in classes]
    colourings = {"by cluster": classes[::-1], "by class": classes}
    figure = plots.map_of_points(np.random.default_rng(0).random((10, 2)), colourings, names, title="map")
    panels = [axis for axis in figure.axes if axis.collections]
    assert [axis.get_title() for axis in panels] == list(colourings)
    one, other = (panel.collections[0].get_facecolors() for panel in panels)
    assert np.array_equal(one, other[::-1])
