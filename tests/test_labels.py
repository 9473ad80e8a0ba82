import io
import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kmnist_itl.clustering import labels


@pytest.fixture
def parts():
    return np.array([0, 1, 1, 2, 0, 1, 2])


def test_the_typical_points_are_those_nearest_to_the_mean_of_their_form(rng, parts):
    points = rng.normal(size=(7, 3))
    typical = labels.representatives(points, parts, count=3)
    for form, chosen in enumerate(typical):
        members = np.flatnonzero(parts == form)
        distance = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        expected = members[distance.argsort()][:3]
        assert list(dict.fromkeys(chosen)) == expected.tolist() and len(chosen) == 3


def test_doubt_is_the_share_of_neighbours_in_other_forms(rng, parts):
    near = rng.integers(0, 7, (7, 4))
    table = np.zeros((3, 3))
    for form, row in zip(parts, near, strict=True):
        np.add.at(table, (form, parts[row]), 1)
    expected = 1 - table.diagonal() / table.sum(axis=1)
    np.testing.assert_allclose(labels.doubt(parts, near), expected)


def test_labels_that_a_person_wrote_are_read(parts, tmp_path):
    path = tmp_path / "forms.csv"
    labels.write_forms(path, parts)
    assert path.read_text("utf-8").splitlines() == ["form,size,label", "0,2,", "1,3,", "2,2,"]
    path.write_text("form,size,label\n2,2,い\n0,2, NA \n1,3,い\n", encoding="utf-8")
    of_forms = labels.read_labels(path, parts)
    assert of_forms.tolist() == ["NA", "い", "い"]
    labels.write_forms(path, parts, of_forms)
    assert labels.read_labels(path, parts).tolist() == of_forms.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("form,size\n0,2\n", "must have the columns form, size, label; label is missing"),
        ("form,size,label\n0,2,a\n1,3,b\n2,2,c\n2,2,c\n", "one row for each of 3 forms; look at 2"),
        ("form,size,label\n0,2,a\n1,3,b\n2,2,c\nx,2,c\n", "one row for each of 3 forms; look at x"),
        ("form,size,label\n0,2,a\n1,2,b\n2,2,c\n", "of other forms: their sizes differ"),
        ("form,size,label\n0,2,\n1,3,b\n2,2, \n", "no label for form 0, 2; write \\?"),
        ("form,size,label\n0,2,a\n1,3\n2,2,c\n", "no label for form 1; write \\?"),
        ("form,size,label\n0,2,a,b\n1,3,b\n2,2,c\n", "must have 3 cells in a row; got 0, 2, a, b"),
        ("form,size,label,label\n0,2,,a\n1,3,,b\n2,2,,c\n", "size, label; label is there twice"),
    ],
)
def test_a_file_filled_in_wrongly_is_refused(text, message, parts, tmp_path):
    path = tmp_path / "forms.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} .*{message}"):
        labels.read_labels(path, parts)


def test_the_sheet_shows_each_form_with_its_number_and_its_images(rng, parts):
    images = rng.random((7, 16)).astype(np.float32)
    typical = labels.representatives(images, parts, count=2)
    figure = labels.contact_sheet(images, parts, typical, columns=2)
    shown = sorted((axis for axis in figure.axes if axis.images), key=lambda axis: axis.texts[0].get_text())
    assert [axis.texts[0].get_text() for axis in shown] == ["0\n(2)", "1\n(3)", "2\n(2)"]
    strip = shown[1].images[0].get_array()
    np.testing.assert_array_equal(strip[1:5, 1:5], images[typical[1, 0]].reshape(4, 4))
    np.testing.assert_array_equal(strip[1:5, 7:11], images[typical[1, 1]].reshape(4, 4))


def test_a_personal_configuration_does_not_change_the_sheet(rng):
    def drawn():
        figure = labels.contact_sheet(rng.random((2, 16)) > 2, [0, 1], [[0], [1]])
        figure.savefig(picture := io.BytesIO(), format="png")
        return picture.getvalue()

    expected = drawn()
    personal = {"text.usetex": True, "text.color": "red", "font.sans-serif": ["DejaVu Serif"]}
    personal |= {"savefig.transparent": True, "savefig.bbox": "tight", "savefig.dpi": 30}
    with matplotlib.rc_context(personal | {"figure.facecolor": "black", "font.style": "italic"}):
        assert drawn() == expected


@pytest.mark.parametrize("path", ["nowhere/forms.csv", "", "."])
def test_a_path_of_no_file_is_refused(path):
    with pytest.raises(FileNotFoundError, match=f"path must name a file in a folder .*; got '{path}'"):
        labels.write_forms(path, [0, 1])


def test_the_page_goes_from_a_folder_of_pictures_to_labelled_images(tmp_path, monkeypatch):
    digits, size = load_digits(), (40, 48)
    (tmp_path / "pictures").mkdir()
    for number, (image, label) in enumerate(zip(digits.images[:300], digits.target, strict=False)):
        picture = Image.fromarray((image * 15.9).astype(np.uint8)).resize(size)
        if number % 3 == 0:  # dark on light, and in colour
            picture = Image.merge("RGB", [picture.point(lambda grey: 255 - grey)] * 3)
        picture.save(tmp_path / "pictures" / f"{number:03d}_{label}.png")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "clustering.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    session = {}
    for block in blocks:
        if "read_labels" in block:  # the person: what the first image of the form shows
            first = [session["paths"][image].stem[-1] for image in session["typical"][:, 0]]
            labels.write_forms("forms.csv", session["parts"], first)
        exec(block.replace("epochs=40, form_epochs=15", "epochs=3, form_epochs=1"), session)
    assert session["images"].shape == (300, 784) and np.all(np.median(session["images"], axis=1) < 0.5)
    with Image.open("forms.png") as sheet:
        assert min(sheet.size) > 400
    written = pd.read_csv("labels.csv", dtype=str)
    right = written.label == written.file.str[-5]
    assert right.mean() > 0.8


GOOD = "form,size,label\n0,2,a\n1,1,b\n"
OF_SPREADSHEETS = (
    "\ufeff" + GOOD.replace(",", ";"),
    GOOD.replace("form,size,label", "Form,Size,Label"),
    GOOD.replace(",", ", ") + ",,\n\n",
    GOOD.replace("a\n", "a,\n").replace("b\n", "b,\n"),
)


@pytest.mark.parametrize("text", OF_SPREADSHEETS)
def test_what_spreadsheets_make_of_a_file_is_read(tmp_path, text):
    (tmp_path / "forms.csv").write_text(text, encoding="utf-8")
    assert labels.read_labels(tmp_path / "forms.csv", [0, 0, 1]).tolist() == ["a", "b"]


@pytest.mark.parametrize("content", [b"", GOOD.encode("utf-16"), GOOD.replace(",b", ',"b').encode()])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "forms.csv").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"forms.csv must be a CSV in UTF-8 with the columns form, size, label"
    ):
        labels.read_labels(tmp_path / "forms.csv", [0, 0, 1])


@pytest.mark.parametrize(
    ("shape", "typical", "message"),
    [
        ((3, 784), [[0], [3]], "typical must be from 0 to 2; got 0 to 3"),
        ((3, 784), [[0]], r"typical must be \[2, count\], .* got shape \(1, 1\)"),
        ((3, 780), [[0], [2]], "images must be square"),
        ((3, 28, 28, 1), [[0], [2]], "images must be square"),
        ((2, 784), [[0], [1]], "forms must be one for each of 2 points; got 3"),
    ],
)
def test_a_sheet_of_what_is_not_there_is_refused(shape, typical, message):
    with pytest.raises(ValueError, match=message):
        labels.contact_sheet(np.zeros(shape), [0, 0, 1], typical)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ([0, 1], ValueError, "one for each of 3 points; got 2"),
        ([0, 2, 2], ValueError, "form 1 has no points"),
        ([0.0, 1.0, 1.0], TypeError, "forms must be whole numbers"),
        ([0, 2**40, 1], ValueError, "forms must be from 0 to 2"),
    ],
)
def test_bad_forms_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        labels.representatives(np.eye(3), bad)
    with pytest.raises(ValueError, match="neighbours must be from 0 to 1; got 0 to 5"):
        labels.doubt([0, 1], [[0], [5]])
