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

PARTS = np.array([0, 1, 1, 2, 0, 1, 2])
GOOD = "form,size,label\n0,2,a\n1,3,b\n2,2,c\n"


@pytest.fixture
def read(tmp_path):
    """What is read of a file with such bytes, or such a text, for the forms PARTS."""

    def written(content):
        path = tmp_path / "forms.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return labels.read_labels(path, PARTS).tolist()

    return written


def test_the_typical_points_are_those_nearest_to_the_mean_of_their_form(rng):
    points = rng.normal(size=(7, 3))
    typical = labels.representatives(points, PARTS, count=3)
    for form, chosen in enumerate(typical):
        members = np.flatnonzero(form == PARTS)
        distance = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        expected = members[distance.argsort()].tolist()
        assert chosen.tolist() == (expected + expected[-1:])[:3]


def test_doubt_is_the_share_of_neighbours_in_other_forms(rng):
    near = rng.integers(0, 7, (7, 4))
    table = np.zeros((3, 3))
    for form, row in zip(PARTS, near, strict=True):
        np.add.at(table, (form, PARTS[row]), 1)
    expected = 1 - table.diagonal() / table.sum(axis=1)
    np.testing.assert_allclose(labels.doubt(PARTS, near), expected)


def test_labels_that_a_person_wrote_are_read(read, tmp_path):
    labels.write_forms(tmp_path / "forms.csv", PARTS)
    assert (tmp_path / "forms.csv").read_bytes() == b"form,size,label\n0,2,\n1,3,\n2,2,\n"
    labels.write_forms(tmp_path / "forms.csv", [0, 1])  # nothing was filled in
    assert read("form,size,label\n2,2,い\n0,2, NA \n1,3,い\n") == ["NA", "い", "い"]
    for note in ("", ",", ",seen"):
        filled = f"form,size,label,note\n0,2,a{note}\n1,3,{note}\n2,2,{note}\n".encode()
        (tmp_path / "forms.csv").write_bytes(filled)
        with pytest.raises(FileExistsError, match=r"forms.csv holds labels and stays as it is"):
            labels.write_forms(tmp_path / "forms.csv", PARTS)
        assert (tmp_path / "forms.csv").read_bytes() == filled


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD.replace(",", ";"),
        GOOD.replace("form,size,label", "Form,Size,Label,label"),
        GOOD.replace(",", ", ") + ",,\n\n",
        re.sub(r"(\d,[abc])", r"\1,", GOOD),
    ],
)
def test_what_spreadsheets_make_of_a_file_is_read(read, text):
    assert read(text) == ["a", "b", "c"]


WANTED = "must be a CSV in UTF-8 with the columns form, size, label"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", WANTED),
        (GOOD.encode("utf-16"), WANTED),
        (GOOD.replace(",b", ',"b'), WANTED),
        ("form,size\n0,2\n", rf"{WANTED}.*label"),
        (GOOD.replace(",a", ",a,b"), rf"{WANTED}.*no cells beyond its header"),
        (GOOD + "2,2,c\n", "one row for each of 3 forms; look at 2"),
        (GOOD + "x,2,c\n", "one row for each of 3 forms; look at x"),
        (GOOD + ",7,\n", "one row for each of 3 forms; look at a row without a form"),
        (GOOD.replace("1,3", "1,2"), "of other forms: their sizes differ"),
        (GOOD.replace(",a", ",").replace(",c", ", "), "no label for form 0, 2; write \\?"),
        (GOOD.replace(",b", ""), "no label for form 1; write \\?"),
    ],
)
def test_a_file_that_is_damaged_or_filled_in_wrongly_is_refused(read, content, message):
    with pytest.raises(ValueError, match=rf"forms.csv .*{message}"):
        read(content)


def test_the_sheet_shows_each_form_with_its_number_and_its_images(rng):
    images = rng.random((7, 784), dtype=np.float32)
    typical = labels.representatives(images, PARTS, count=2)
    figure = labels.contact_sheet(images, PARTS, typical, columns=2)
    shown = sorted((axis for axis in figure.axes if axis.images), key=lambda axis: axis.texts[0].get_text())
    assert [axis.texts[0].get_text() for axis in shown] == ["0\n(2)", "1\n(3)", "2\n(2)"]
    strip = shown[1].images[0].get_array()
    np.testing.assert_array_equal(strip[1:29, 1:29], images[typical[1, 0]].reshape(28, 28))
    np.testing.assert_array_equal(strip[1:29, 31:59], images[typical[1, 1]].reshape(28, 28))


def test_a_personal_configuration_does_not_change_the_sheet():
    def drawn():
        figure = labels.contact_sheet(np.zeros((2, 784)), [0, 1], [[0], [1]])
        figure.savefig(picture := io.BytesIO(), format="png")
        return picture.getvalue()

    expected = drawn()
    personal = {"text.usetex": True, "text.color": "red", "font.sans-serif": ["DejaVu Serif"]}
    personal |= {"savefig.transparent": True, "savefig.bbox": "tight", "savefig.dpi": 30}
    with matplotlib.rc_context(personal | {"figure.facecolor": "black", "font.style": "italic"}):
        assert drawn() == expected


def test_the_page_goes_from_a_folder_of_pictures_to_labelled_images(tmp_path, monkeypatch):
    digits, size = load_digits(), (40, 48)
    (tmp_path / "pictures").mkdir()
    for number, (image, label) in enumerate(zip(digits.images[:300], digits.target, strict=False)):
        picture = Image.fromarray((image * 15.9).astype(np.uint8)).resize(size)
        if number % 3 == 0:  # dark on light, and in colour
            picture = Image.merge("RGB", [picture.point(lambda grey: 255 - grey)] * 3)
        if number % 3 == 1:  # 16 bits a pixel
            picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
        kind = ("png", "TIF", "Png")[number % 3]
        picture.save(tmp_path / "pictures" / f"{number:03d}_{label}.{kind}")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "clustering.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    session = {}
    for block in blocks:
        if "read_labels" in block:  # the person: what the first image of the form shows
            first = [session["paths"][image].stem[-1] for image in session["typical"][:, 0]]
            pd.read_csv("forms.csv").assign(label=first).to_csv("forms.csv", index=False)
        exec(block.replace("epochs=40, form_epochs=15", "epochs=3, form_epochs=1"), session)
    assert session["images"].shape == (300, 784) and np.all(np.median(session["images"], axis=1) < 0.5)
    stroke = np.zeros((190, 60), np.uint8)
    stroke[5:185, 30:33] = 255
    for pixels in (stroke, stroke.T, stroke.astype(np.uint16)):
        Image.fromarray(pixels).save("stroke.png")
        assert session["read"]("stroke.png").max() > 0.2
    with Image.open("forms.png") as sheet:
        assert min(sheet.size) > 400
    written = pd.read_csv("labels.csv", dtype=str)
    assert (written.label == written.file.str[-5]).mean() > 0.8


@pytest.mark.parametrize(
    ("count", "typical", "message"),
    [
        (3, [[0], [3]], "typical must be from 0 to 2; got 0 to 3"),
        (3, [[0]], r"typical must be \[2, count\], .* got shape \(1, 1\)"),
        (2, [[0], [1]], "forms must be one for each of 2 points; got 3"),
    ],
)
def test_a_sheet_of_what_is_not_there_is_refused(count, typical, message):
    with pytest.raises(ValueError, match=message):
        labels.contact_sheet(np.zeros((count, 784)), [0, 0, 1], typical)


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
