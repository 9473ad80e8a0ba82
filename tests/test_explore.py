"""The page to touch: what is in it, and in a browser what it draws, its numbers beside Python's."""

import base64
import importlib.util
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from kmnist_itl import divergence, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import network
from kmnist_itl.reproduction import results, runs

DOCS = settings.project_dir() / "docs"
_spec = importlib.util.spec_from_file_location("build", DOCS / "explore" / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

SIGMAS = (0.05, 1.0, 100.0, 1000.0)
PLACE, VIEW = "codesPart.state.place", "[codesPart.view.yaw, codesPart.view.pitch]"
ARGUMENTS = ["--profile", "smoke", "--dataset", "digits"]


def untrained(seed):
    """A Run whose decoder's pixels range from black to white, as a trained one's do."""
    model = training.autoencoder(3, seed=seed)
    decoder = model.get_layer("decoder")
    decoder.set_weights([1.6 * weights for weights in decoder.get_weights()])
    return training.Run(model, {}, 0, 0, 0.0, 0.0)


@pytest.fixture(scope="module")
def models():
    return {label: untrained(seed) for seed, label in enumerate(build.MODELS)}


@pytest.fixture(scope="module")
def table():
    accuracy = {"none": [0.425, 0.44, 0.45], "gaussian": [0.42, 0.43, 0.46, 0.45], "30 codes": [0.41]}
    accuracy |= {"gaussian_mixture": [0.41, 0.42, 0.43], "swiss_roll": [0.28, 0.29]}
    rows = [(prior, *row) for prior, values in accuracy.items() for row in enumerate(values)]
    return pd.DataFrame(rows, columns=["prior", "seed", "accuracy"])


@pytest.fixture(scope="module")
def shown(few, models, table):
    clusters = training.Run(network.clustering_network(), {}, 0, 0, 0.0, 0.0)
    more = {"forms": build.to_name(few, clusters), "scenes": build.scenes(), "seeds": build.seeds(table)}
    return build.contents(few, models) | more


def test_seeds_are_in_the_papers_order_with_the_answers_of_the_rules(shown):
    rows = gaussian, _, roll, none = shown["seeds"]["priors"]
    assert [row["paper"] for row in rows] == sorted((row["paper"] for row in rows), reverse=True)
    assert gaussian["runs"] == [0.42, 0.43, 0.46, 0.45] and gaussian["low"] < 0.44 < gaussian["high"]
    assert (roll["gain"]["answer"], gaussian["gain"]["answer"], none["gain"]) == ("no", "open", None)


def test_unrolled_codes_lie_where_they_are_on_the_roll():
    angles, heights = np.array([5.0, 9.0, 14.0]), np.array([0.0, 7.0, 21.0])
    points = np.asarray(priors.SwissRoll().surface(angles, heights))
    length = (angles * np.sqrt(1 + angles**2) + np.arcsinh(angles)) / 2
    np.testing.assert_allclose(build.unroll(points), np.stack([length, heights], axis=1), atol=0.07)


def test_the_page_holds_all_it_needs(shown):
    text = build.page(shown)
    assert build.contents_of(text) == json.loads(json.dumps(shown))
    assert not any(part in text for part in ("@@", "<script src", "<link", "@import"))
    with pytest.raises(ValueError, match="make explore has written"):
        build.contents_of("<p>another page</p>")


def test_a_real_image_is_where_the_page_looks_for_it(few, shown):
    sheet = Image.open(io.BytesIO(base64.b64decode(shown["images"].partition(",")[2]))).convert("L")
    image = np.random.default_rng(0).permutation(len(few.test))[: build.SHOWN][123]
    row, column = divmod(123, build.COLUMNS)
    tile = np.asarray(sheet)[28 * row : 28 * row + 28, 28 * column : 28 * column + 28] / 255
    assert np.abs(tile.ravel() - few.test.images[image]).max() <= 0.5 / (build.GREYS - 1) + 1e-6


def test_the_committed_page_is_of_the_papers_runs_and_of_these_files():
    text = (DOCS / build.NAME).read_text(encoding="utf-8")
    committed = build.contents_of(text)
    assert len(text.encode()) <= build.MOST_BYTES
    assert committed["title"] == "KMNIST" and len(committed["labels"]) == build.SHOWN
    assert all(model["error"] <= 255 * build.MOST_ERROR for model in committed["models"].values())
    tables = results.read_tables(settings.project_dir() / "figures")
    table, labelled = tables[build.TABLE], tables["clustering_labels"]
    counts, labels = np.array(committed["forms"]["counts"]), committed["forms"]["labels"]
    measured = labelled[(labelled.method == "forms") & (labelled.protocol == "all_images")]
    accuracy = counts[np.arange(len(labels)), labels].sum() / counts.sum()  # of forms made on another machine
    assert accuracy == pytest.approx(measured[measured.labels <= 60].accuracy.mean(), abs=0.01)
    renewed = committed | {"scenes": build.scenes(), "seeds": build.seeds(table)}
    assert text == build.page(renewed), "docs/explore/ or Table 2 is newer: run make explore"


def test_what_is_missing_is_told_in_one_line(table, capsys):
    folder = settings.figures_dir("digits", "smoke")
    folder.mkdir(parents=True)
    assert build.main(ARGUMENTS) == 2
    assert f"make explore: there is no {build.TABLE}.csv in" in capsys.readouterr().err
    table.to_csv(folder / f"{build.TABLE}.csv", index=False)
    assert build.main(ARGUMENTS) == 2
    assert "Run make train PROFILE=smoke NOTEBOOKS='notebooks/" in capsys.readouterr().err


def test_from_kept_runs_it_writes_the_page_and_without_them_renews_it(shown, table, monkeypatch, capsys):
    path = settings.figures_dir("digits", "smoke") / build.NAME
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(runs.Training, "run", lambda described, data: described)
    monkeypatch.setattr(build, "to_name", lambda data, run: shown["forms"])
    monkeypatch.setattr(build, "contents", lambda data, runs: {**shown, "drawn": runs["gaussian"].title})
    pages = []
    for kept, gain in ((True, 0), (False, 0.01)):
        monkeypatch.setattr(runs.Training, "kept", kept)
        rows = table.assign(accuracy=table.accuracy + gain)
        rows.to_csv(path.with_name(f"{build.TABLE}.csv"), index=False)
        assert build.main(ARGUMENTS) == 0 and f"{path}: " in capsys.readouterr().out
        pages.append(build.contents_of(path.read_text(encoding="utf-8")))
    before, after = pages
    assert before["drawn"] == "autoencoder, 3 units, Gaussian, sigma 100, lambda 0.1, seed 0"
    assert after["seeds"] != before["seeds"] and after | {"seeds": before["seeds"]} == before


class Page:
    """The page in a browser; its elements go by their ids."""

    def __init__(self, browser):
        self.browser = browser

    def js(self, value, *arguments):
        return self.browser.execute_script(f"return {value}", *arguments)

    def shown(self, name):
        element = self.browser.find_element("id", name)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def text(self, name):
        return self.browser.find_element("id", name).text

    def click(self, name):
        self.browser.find_element("id", name).click()

    def keys(self, name, *keys):
        self.shown(name).send_keys(*(getattr(Keys, key) for key in keys))

    def wait(self, condition):
        WebDriverWait(self.browser, 30).until(lambda _: condition())

    def drag(self, start, right, down, pointer):
        """Drag a place on the cloud by so many pixels, mouse or touch; returns how far the page scrolled."""
        box, (x, y, *_) = self.js(f"[arguments[0].getBoundingClientRect(), {start}]", self.shown("cloud"))
        actions = ActionBuilder(self.browser, mouse=PointerInput(pointer, pointer), duration=30)
        actions.pointer_action.move_to_location(round(box["left"] + x), round(box["top"] + y)).pointer_down()
        for _ in range(10):
            actions.pointer_action.move_by(right // 10, down // 10)
        actions.pointer_action.pointer_up()
        before = self.js("scrollY")
        actions.perform()
        return self.js("scrollY") - before


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    """The page; the console must hold no error after the tests."""
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium and its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("headless=new", "no-sandbox", "window-size=1280,900", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    file = tmp_path_factory.mktemp("page") / build.NAME
    file.write_text(build.page(shown), encoding="utf-8")
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        browser.get(file.as_uri())
        page, main = Page(browser), browser.find_element("tag name", "main")
        page.wait(lambda: not main.get_property("inert") and page.js("tourPart.at()") > 0)  # moves on arrival
        yield page
        assert browser.get_log("browser") == []


@pytest.mark.parametrize("means_agree", [False, True])
def test_csd_and_arrows_are_those_of_the_package(means_agree, page):
    """Also where the means agree, of which a wide kernel leaves a CSD below 1e-10."""
    codes, prior = (np.array(build.scenes()[0][points]) for points in ("codes", "prior"))
    if means_agree:
        prior += codes.mean(axis=0) - prior.mean(axis=0)
    code = "arguments[2].map((sigma) => numbers.divergence(arguments[0], arguments[1], sigma))"
    drawn = page.js(code, codes.tolist(), prior.tolist(), SIGMAS)
    x, y = tf.constant(codes, tf.float64), tf.constant(prior, tf.float64)
    for sigma, ours in zip(SIGMAS, drawn, strict=True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = divergence.cauchy_schwarz_divergence(x, y, sigma)
        arrows = -tape.gradient(value, x).numpy()
        assert ours["value"] == pytest.approx(float(value), rel=1e-6, abs=0)
        np.testing.assert_allclose(ours["arrows"], arrows, rtol=1e-6, atol=1e-6 * np.abs(arrows).max())


def test_steps_go_down_and_end(page):
    code = """(({ codes, prior }, sigmas) => sigmas.map((sigma) => {
        let [values, moved, before] = [[], codes, null];
        while (moved !== before && values.length < 60) {
            values.push(numbers.divergence(moved, prior, sigma).value);
            [before, moved] = [moved, numbers.step(moved, prior, sigma, 0.15)];
        }
        return values;
    }))(...arguments)"""
    for values in page.js(code, build.scenes()[0], SIGMAS):
        assert np.all(np.diff(values) < 0) and values[-1] < values[0]


def test_decoder_encoder_and_nearest_codes_are_those_of_python_but_for_rounding(page, models, few, rng):
    codes, model = rng.uniform(-10, 15, (50, 3)).astype(np.float32), models["gaussian"]
    pixels = np.array(page.js("arguments[0].map((code) => [...decoders.gaussian(code)])", codes.tolist()))
    assert pixels.min() < 0.1 and pixels.max() > 0.9  # not all grey, which would be easy
    assert 0 < np.abs(pixels - training.decode(model, codes)).mean() < build.MOST_ERROR
    layers = build.quantize(model.model.get_layer("decoder").get_weights())
    np.testing.assert_allclose(pixels, build.decode(layers, codes), atol=1e-6)
    images = few.test.images[:20]
    encoded = np.array(page.js("arguments[0].map((image) => [...encode(image)])", images.tolist()))
    of_keras = training.encode(models[build.DRAWN], images)
    assert np.linalg.norm(encoded - of_keras, axis=1).mean() < 0.05 * of_keras.std()
    code = "numbers.nearest(arguments[0], arguments[1], 20).map(({ row }) => row)"
    nearest = page.js(code, codes.ravel().tolist(), [0.1, -0.2, 0.3])
    assert nearest == np.argsort(np.linalg.norm(codes - [0.1, -0.2, 0.3], axis=1))[:20].tolist()


def test_the_decoded_image_is_painted_where_the_point_is(page, models):
    page.keys("angle", "HOME", "ARROW_RIGHT")
    place = np.float32([page.js(PLACE)])
    code = "[...document.getElementById('decoded').getContext('2d').getImageData(0, 0, 28, 28).data]"
    painted = np.array(page.js(code)).reshape(784, 4)
    expected = 255 * training.decode(models["swiss_roll"], place)[0]
    assert np.abs(painted[:, 0] - expected).mean() < 255 * build.MOST_ERROR and np.all(painted[:, 3] == 255)
    assert float(priors.SwissRoll().distance(place)[0]) < 0.05


def test_the_kernel_slider_goes_by_keyboard_and_play_brings_the_csd_down(page):
    page.keys("sigma", "HOME")
    assert page.text("sigma-value") == "0.05" and "Too narrow to reach" in page.text("kernel-says")
    page.keys("sigma", "END")
    assert "Too wide to see anything but the mean" in page.text("kernel-says")
    assert float(page.text("common").rstrip("%")) > 99
    assert page.shown("sigma").get_attribute("aria-valuetext") == "sigma 1000"
    page.keys("sigma", "HOME", *["PAGE_UP"] * 4)
    first = page.text("csd")
    page.click("play")
    page.wait(lambda: float(page.text("csd")) < float(first))
    page.click("again")
    assert page.text("csd") == first


@pytest.mark.parametrize("pointer", ["mouse", "touch"])
def test_the_cloud_turns_and_its_point_can_be_dragged(page, pointer):
    yaw, _ = page.js(VIEW)
    assert page.drag("[30, 30]", 60, 0, pointer) == 0
    assert page.js(VIEW)[0] > yaw + 0.2
    place = page.js(PLACE)
    assert page.drag("codesPart.onScreen()", 10, 60, pointer) == 0
    dragged = page.js(PLACE)
    assert dragged != place and float(priors.SwissRoll().distance([dragged])[0]) < 0.05


def test_a_finger_that_moves_up_scrolls_the_page_and_arrow_keys_turn_the_cloud(page):
    view = page.js(VIEW)
    assert page.drag("[30, 300]", 0, -200, "touch") > 100
    yaw, pitch = page.js(VIEW)
    assert [yaw, pitch] == pytest.approx(view, abs=0.2)
    page.keys("cloud", "ARROW_LEFT", "ARROW_DOWN")
    assert page.js(VIEW) == pytest.approx([yaw - 0.1, pitch + 0.1])


def test_walks_play_and_end_between_two_characters_or_where_the_slider_is_put(page, shown):
    before = page.js(PLACE)
    page.click("walk")
    page.wait(lambda: page.js(PLACE) != before)
    page.click("walk")
    page.click("between")
    assert "of the 20 nearest test images" in page.text("where")
    page.keys("tour-at", "HOME")
    first, second = (shown["classes"][shown["labels"][row]] for row in shown["tour"][:2])
    assert page.text("tour-says") == f"0% of the way from {first} to {second}"


def test_a_drawing_is_encoded_and_drawn_again(page):
    actions, pad = ActionBuilder(page.browser, duration=30), page.shown("pad")
    actions.pointer_action.move_to(pad, -40, -40).pointer_down().move_by(80, 20).move_by(-30, 50).pointer_up()
    actions.perform()
    image = page.js("[...drawPart.pixels()]")
    assert 0.03 < np.mean(image) < 0.5 and max(image) == 1
    assert page.js("drawPart.code()") == pytest.approx(page.js("[...encode(arguments[0])]", image))
    assert "of the 20 nearest test images" in page.text("landing-says")


def test_accuracy_climbs_with_every_form_named(page, shown):
    counts, labels = np.array(shown["forms"]["counts"]), shown["forms"]["labels"]
    wrong = (labels[1] + 1) % 10
    for name in (labels[0], wrong):
        page.browser.find_elements("css selector", "#form-names button")[name].click()
    right, said = counts[0, labels[0]] + counts[1, wrong], page.text("form-says")
    assert f"KMNIST says {shown['classes'][labels[1]]}" in said
    assert f"With 2 of {len(labels)} pictures named, {right / counts.sum():.1%} of" in said
    page.click("form-back")
    page.click("form-rest")
    best = counts[np.arange(len(labels)), labels].sum() / counts.sum()
    assert f"{best:.1%} of" in page.text("form-says")


def test_seeds_are_drawn_until_the_order_is_the_papers_and_all_are_counted(page, shown):
    page.click("until")
    rows, said = shown["seeds"]["priors"], page.text("drawn")
    drawn = zip(rows, page.js("seedsPart.drawn()"), strict=True)
    gaussian, mixture, _, none = (row["runs"][at] for row, at in drawn)
    assert gaussian > mixture > none and "this draw has the paper's order: Gaussian" in said
    assert "The roll, third of four in the paper, is fourth here" in said
    page.click("draw")
    assert page.text("drawn") != said
    page.click("all")
    columns = (page.browser.find_elements("css selector", f"#all-says td:nth-child({n})") for n in (3, 4))
    counts, places = ([cell.text for cell in column] for column in columns)
    assert counts == ["4", "3", "2", "3"]
    assert places == ["first, first", "second, third", "third, fourth", "fourth, second"]


@pytest.mark.parametrize("width", [400, 1600])
def test_nothing_sticks_out(page, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.wait(lambda: page.js("innerWidth") == width)
    assert page.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
