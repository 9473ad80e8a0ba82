import base64
import io
import re
import shutil
import time

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from kmnist_itl import data, priors
from kmnist_itl.reproduction import command, interactive, report

CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((40, 784))


@pytest.fixture(scope="module")
def page(images):
    """A page of two small notebooks: formulas, a link, a picture, a figure to turn."""
    for needed in ("nbconvert", "latex2mathml"):  # requirements-report.txt
        pytest.importorskip(needed)
    drawn = io.BytesIO()
    plt.figure().savefig(drawn)
    picture = {"image/png": base64.b64encode(drawn.getvalue()).decode()}
    picture = nbformat.v4.new_output("display_data", picture)
    roll = priors.SwissRoll()
    labels = np.arange(200) % 10
    turned = interactive.roll(
        roll.sample(200, seed=1), labels, CLASSES, roll.sample(40, seed=2), images, title="Codes <to> turn"
    )
    frame = nbformat.v4.new_output("display_data", {"text/html": turned.data})
    numbers = {
        "text/markdown": "**Accuracies** (n = 3)\n\n| prior | accuracy |\n| --- | --- |\n| none | 44% |"
    }
    table = nbformat.v4.new_output("display_data", numbers)
    cells = {
        "02_first": [
            nbformat.v4.new_markdown_cell("# 02 First\n\nNext: [the second](03_second.ipynb)"),
            nbformat.v4.new_code_cell("draw()", outputs=[picture]),
        ],
        "03_second": [
            nbformat.v4.new_code_cell("summarize()", outputs=[table]),
            nbformat.v4.new_markdown_cell("# 03 Second\n\n$D = \\log\\frac{V(X)}{V(Y)}$ and\n\n$$a + b$$"),
            nbformat.v4.new_code_cell("turn()", outputs=[frame]),
        ],
    }
    notebooks = {name: nbformat.v4.new_notebook(cells=listed) for name, listed in cells.items()}
    return report.page(report.combined(notebooks, "# What holds\n\n[02](notebooks/02_first.ipynb)"))


def test_the_page_fetches_nothing(page):
    assert re.findall(r"""<(?:script|link|img|iframe)\b[^>]*(?:src|href)="https?:[^"]*""", page) == []
    assert 'href="#03_second"' in page and 'id="03_second"' in page and ".ipynb" not in page


def test_a_tables_title_is_its_caption(page):
    caption = r"<table[^>]*><caption><strong>Accuracies</strong> \(n = 3\)</caption>\s*<thead>"
    assert re.search(caption, page) and page.count("Accuracies") == 1


def test_formulas_are_drawn_by_the_browser(page):
    assert (
        page.count("<math") == 2 and "mfrac" in page and "$" not in re.search("<p>.*?mfrac.*?</p>", page)[0]
    )


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (found and driver):
        pytest.skip("needs Chromium and its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    quiet = ("background-networking", "component-update", "sync", "quic")
    for argument in ("headless=new", "no-sandbox", "enable-unsafe-swiftshader", "window-size=1100,900"):
        options.add_argument(f"--{argument}")
    for service in quiet:
        options.add_argument(f"--disable-{service}")
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page, encoding="utf-8")
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.get(file.as_uri())
    yield chrome
    chrome.quit()


def test_in_a_browser_all_pictures_load_and_the_figure_turns(browser, images):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    loaded = browser.execute_script("return [...document.images].map(image => image.naturalWidth > 0)")
    assert loaded == [True]
    frame = browser.find_element("tag name", "iframe")
    browser.execute_script("arguments[0].scrollIntoView()", frame)
    browser.switch_to.frame(frame)
    yaw = "return cloud.view.yaw"
    before = _until(lambda: browser.execute_script(yaw))
    canvas = browser.find_element("id", "cloud")
    hand = ActionChains(browser).move_to_element_with_offset(canvas, -100, -100)
    hand.click_and_hold().move_by_offset(90, 30).release().perform()
    assert browser.execute_script(yaw) != before

    browser.find_element("id", "point").send_keys(*[Keys.ARROW_RIGHT] * 7)
    shown = "return [...document.getElementById('decoded').getContext('2d').getImageData(0, 0, 28, 28).data]"
    painted = np.array(browser.execute_script(shown)).reshape(784, 4)[:, 0]
    assert np.array_equal(painted, np.rint(255 * images[7]))

    at = "const [x, y] = cloud.to(points[20]); return [x - canvas.clientWidth / 2, "
    at += "y - canvas.clientHeight / 2]"
    x, y = browser.execute_script(f"const canvas = document.getElementById('cloud'); {at}")
    ActionChains(browser).move_to_element_with_offset(canvas, round(x), round(y)).click().perform()
    touched = int(browser.find_element("id", "point").get_attribute("value"))
    places = f"return [20, {touched}].map((number) => cloud.to(points[number]).slice(0, 2))"
    there, found = browser.execute_script(places)
    assert touched != 7 and np.hypot(*np.subtract(there, found)) < 20  # or one in front of it
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def _until(true, seconds=20):
    """The first true value within some seconds."""
    end = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < end:
        time.sleep(0.2)
    return value


def test_without_executed_notebooks_it_says_what_to_run(capsys):
    assert command.main(["report", "--profile", "smoke", "--dataset", "digits"]) == 2
    assert "run make figures PROFILE=smoke DATASET=digits first" in capsys.readouterr().err


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """An executed notebook and verdicts of the smoke profile on the stand-in; KMNIST is not there."""
    folder = tmp_path / "figures" / "digits-smoke"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "verdicts.csv").touch()
    cells = [nbformat.v4.new_markdown_cell("# 01 First")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "01_first.ipynb")
    monkeypatch.setattr(data, "resolve", {"auto": "digits"}.get)
    monkeypatch.setattr(report.summary, "read", lambda table: table)
    monkeypatch.setattr(report.summary, "summary", lambda verdicts, methods: "the verdicts")
    monkeypatch.setattr(report, "_with_mathml", str)  # not the packages that draw the page
    monkeypatch.setattr(report, "page", nbformat.writes)
    return folder


def test_the_page_to_touch_is_in_it(executed, monkeypatch):
    monkeypatch.setattr(report, "page", lambda notebook: notebook.cells[0].source)
    (executed / "explore.html").write_text("<p class='one'>touch</p>")
    assert command.main(["report", "--profile", "smoke"]) == 0
    text = (executed / "report.html").read_text()
    assert 'srcdoc="&lt;p class=&#x27;one&#x27;&gt;touch&lt;/p&gt;"' in text and 'id="touch"' not in text


@pytest.mark.parametrize("named", [[], ["--dataset", "digits"]])
def test_without_a_named_data_set_the_page_is_of_the_one_that_make_figures_takes(named, executed, capsys):
    assert command.main(["report", "--profile", "smoke", *named]) == 0
    text = (executed / "report.html").read_text()
    assert "(smoke, digits)" in text and "the verdicts" in text and "- [01 First](#01_first)" in text
    assert f"{executed / 'report.html'}: 0.0 MB" in capsys.readouterr().out


def test_data_that_are_named_need_not_be_there(executed, capsys):
    assert command.main(["report", "--profile", "smoke", "--dataset", "kmnist"]) == 2
    assert "run make figures PROFILE=smoke DATASET=kmnist first" in capsys.readouterr().err
