import matplotlib.pyplot as plt
import numpy as np
import pytest

from kmnist_itl import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_personal_configuration_decides_nothing():
    plots.use_style()
    expected = dict(plt.rcParams)
    personal = {"text.usetex": True, "figure.autolayout": True, "savefig.transparent": True}
    plt.rcParams.update({**personal, "lines.linewidth": 9})
    plots.use_style()
    assert dict(plt.rcParams) == expected


def test_six_curves_are_drawn_each_with_a_look_of_its_own():
    curves = {f"curve {number}": np.arange(1.0, 4.0) for number in range(6)}
    figure = plots.lines(np.arange(3), curves, xlabel="x", ylabel="y", title="curves", log=("y",))
    looks = {line.get_label(): (line.get_linestyle(), line.get_color()) for line in figure.axes[0].lines}
    assert list(looks) == list(curves) and len(set(looks.values())) == 6
    assert figure.axes[0].get_yscale() == "log"


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
    upper_a, _, _, lower_b = figure.axes
    assert upper_a.get_xlim() == lower_b.get_xlim() and upper_a.get_aspect() == 1
    boxes = [[box.get_bbox().extents.tolist() for box in axis.patches] for axis in figure.axes]
    assert boxes == [[[-4, -3, 4, 3]], [], [[-4, -3, 4, 3]], []]


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
