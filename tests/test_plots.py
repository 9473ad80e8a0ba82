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


def test_bold_text_finds_its_font_without_a_word(caplog):
    figure, _ = plots._panels(1, 1, (2, 2))
    figure.text(0.5, 0.5, "お, a stand-in", weight="bold")
    figure.draw_without_rendering()
    assert not caplog.records


def test_six_curves_are_drawn_each_with_a_look_of_its_own():
    curves = {f"curve {number}": np.arange(1.0, 4.0) for number in range(6)}
    figure = plots.lines(np.arange(3), curves, xlabel="x", ylabel="y", title="curves", log=("y",))
    looks = {line.get_label(): (line.get_linestyle(), line.get_color()) for line in figure.axes[0].lines}
    assert list(looks) == list(curves) and len(set(looks.values())) == 6
    assert figure.axes[0].get_yscale() == "log"


def test_confusion_matrices_share_a_scale_and_leave_small_counts_blank():
    matrices = {name: np.full((10, 10), 4) for name in ("ours", "the paper's", "none")}
    matrices["ours"][0, :3], matrices["the paper's"][0, :3] = (90, 10, 5), (96, 4, 5)
    figure = plots.confusion(matrices, list("abcdefghij"), title="confusions")
    figure.draw_without_rendering()
    panels = {axis.get_title(): axis for axis in figure.axes}
    numbers = {name: sorted(int(text.get_text()) for text in panels[name].texts) for name in matrices}
    assert numbers == {"ours": [5, 10, 90], "the paper's": [5, 96], "none": []}
    assert {panels[name].collections[0].get_clim() for name in matrices} == {(5, 96)}


def test_codes_are_drawn_on_shared_axes_with_the_sheet_of_the_prior(rng):
    points, labels = rng.normal(size=(50, 3)), np.arange(50) % 10
    panels = {"a": (points, labels), "b": (9 * points, labels), "grey": (points, None), "d": (points, labels)}
    figure = plots.codes_3d(panels, list("abcdefghij"), title="codes", sheet=np.full((2, 4, 3), 70.0))
    assert [axis.get_title() for axis in figure.axes] == list(panels)
    for limits in ("get_xlim", "get_ylim", "get_zlim"):
        ((low, high),) = {tuple(getattr(axis, limits)()) for axis in figure.axes}
        assert low < -9 and high >= 70
    assert all(len(axis.collections) == 2 for axis in figure.axes)


def test_the_papers_spans_are_drawn_on_shared_axes(rng):
    labels = np.arange(50) % 10
    panels = {"a": (rng.normal(size=(50, 3)), labels, labels), "b": (np.eye(50, 3), labels, labels)}
    figure = plots.clusters_and_classes(panels, list("abcdefghij"), title="codes", spans={"a": (4, 3)})
    upper_a, upper_b, lower_a, lower_b = figure.axes
    assert upper_a.get_xlim() == lower_b.get_xlim() and upper_a.get_aspect() == 1
    for axis in (upper_a, lower_a):
        (box,) = axis.patches
        assert box.get_bbox().extents.tolist() == [-4, -3, 4, 3]
    assert not (*upper_b.patches, *lower_b.patches)


def test_forms_stand_in_the_row_of_their_class_and_a_wrong_one_is_marked():
    image = np.zeros(784)
    rows = {"お o": [(image, 1_234, True), *[(image, 5, False)] * plots.FORMS], "ki": []}
    figure = plots.forms(rows, title="forms")
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_xlabel() for axis in shown] == ["1,234", *["5"] * 7]
    assert [axis.spines["left"].get_linestyle() for axis in shown] == ["solid", *["--"] * 7]
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["お o", "ki"]
