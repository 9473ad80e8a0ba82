import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from kmnist_itl import plots


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


def test_a_personal_configuration_decides_nothing(tmp_path):
    code = """if True:
        import hashlib, io
        from kmnist_itl import plots
        figure, file = plots.lines([1, 2], {"c": [1, 2]}, xlabel="x", ylabel="y", title="$t$"), io.BytesIO()
        figure.savefig(file)
        print(hashlib.sha256(file.getvalue()).hexdigest())"""
    personal = "text.usetex: True\nfigure.autolayout: True\nsavefig.transparent: True\nlines.linewidth: 9\n"
    sums = set()
    for name, text in {"none": "", "personal": personal}.items():
        (tmp_path / name).write_text(text)
        environment = os.environ | {"MATPLOTLIBRC": str(tmp_path / name), "MPLBACKEND": "agg"}
        command = [sys.executable, "-c", code]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        sums.add(answer.stdout)
    assert len(sums) == 1


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


def confusion(ours, papers):
    names = [f"class {number}" for number in range(10)]
    titles = {"ours_title": "ours", "paper_title": "the paper's", "title": "confusions"}
    return plots.confusion(ours, papers, names, **titles)


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


@pytest.mark.parametrize("ours", [np.eye(10, dtype=int) * 9, np.zeros((10, 10), int)])
def test_words_stand_in_the_place_of_a_matrix_that_was_not_published(ours):
    figure = confusion(ours, "Never published.")
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.axes[0].texts] == ["Never published."]
    assert "ours minus the paper's" not in [axis.get_title() for axis in figure.axes]


def test_codes_are_drawn_on_shared_axes_with_the_sheet_of_the_prior(rng):
    codes = {
        name: (scale * rng.normal(size=(50, 3)), np.arange(50) % 10)
        for name, scale in {"a": 1, "b": 9}.items()
    }
    panels = codes | {"grey": (np.zeros((5, 3)), None), "last": codes["a"]}
    figure = plots.codes_3d(panels, list("abcdefghij"), title="codes", sheet=np.full((2, 4, 3), 70.0))
    assert [axis.get_title() for axis in figure.axes] == list(panels)
    for limits in ("get_xlim", "get_ylim", "get_zlim"):
        ((low, high),) = {tuple(getattr(axis, limits)()) for axis in figure.axes}
        assert low < -9 and high >= 70
    assert all(len(axis.collections) == 2 for axis in figure.axes)


def test_the_papers_spans_are_drawn_on_shared_axes(rng):
    labels = np.arange(50) % 10
    panels = {
        name: (scale * rng.normal(size=(50, 3)), labels, labels) for name, scale in {"a": 1, "b": 5}.items()
    }
    figure = plots.clusters_and_classes(panels, list("abcdefghij"), title="codes", spans={"a": (4, 3)})
    upper_a, upper_b, lower_a, lower_b = figure.axes
    assert upper_a.get_xlim() == lower_b.get_xlim() and upper_a.get_aspect() == 1
    for axis in (upper_a, lower_a):
        (box,) = axis.patches
        assert box.get_bbox().extents.tolist() == [-4, -3, 4, 3]
    assert not (*upper_b.patches, *lower_b.patches)


def test_the_ends_of_a_walk_are_named():
    labels = {"across": "across", "down": "down", "title": "walk"}
    ends = plots.walk(np.zeros((2, 3, 784)), **labels, ends=("left", "right", "top", "bottom")).axes
    assert (ends[3].get_xlabel(), ends[5].get_xlabel()) == ("left", "right")
    assert (ends[0].get_ylabel(), ends[3].get_ylabel()) == ("top", "bottom")
    assert len(plots.walk(np.zeros((1, 3, 784)), **labels).axes) == 3


def test_forms_stand_in_the_row_of_their_cluster_the_largest_first():
    images = np.repeat(np.linspace(0, 1, 4)[:, None], 784, axis=1)
    forms, clusters = np.array([0, 1, 1, 2]), [1, 1, 0]
    figure = plots.forms(images, forms, clusters, {"first": [2], "second": [0, 1], "none": []}, title="forms")
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_xlabel() for axis in shown] == ["1 in 0", "2 in 1", "1 in 1"]
    np.testing.assert_allclose(shown[1].images[0].get_array(), 0.5)  # a mean of two
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["first", "second", "none"]
    with_typical = plots.forms(images, forms, clusters, {"all": [0, 1, 2]}, title="forms", typical=[0, 2, 3])
    assert with_typical.axes[0].images[0].get_array().shape == (28, 56)


def test_a_map_has_a_panel_for_each_colouring(rng):
    classes = np.arange(10)
    names = [f"class {number}" for number in classes]
    colourings = {"by cluster": classes[::-1], "by class": classes}
    figure = plots.map_of_points(rng.random((10, 2)), colourings, names, title="map")
    panels = [axis for axis in figure.axes if axis.collections]
    assert [axis.get_title() for axis in panels] == list(colourings)
    first, second = (panel.collections[0].get_facecolors() for panel in panels)
    assert np.array_equal(first, second[::-1])
