"""The page to touch: what is in it, its numbers in node beside Python's, and the page itself in a browser."""

import base64
import html
import io
import json
import shutil
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from kmnist_itl import divergence, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.reproduction import command, experiments, explore, results, store

COMMITTED = settings.project_dir() / "docs" / explore.NAME
SIGMAS = (0.05, 0.3, 1.0, 7.0, 100.0, 1000.0)


def untrained(seed):
    """A Run whose decoder's pixels spread from black to white, as a trained one's do."""
    model = training.autoencoder(3, seed=seed)
    decoder = model.get_layer("decoder")
    decoder.set_weights([1.6 * weights for weights in decoder.get_weights()])
    return training.Run(model, {}, 0, 0, 0.0, 0.0)


@pytest.fixture(scope="module")
def runs():
    return {label: untrained(seed) for seed, label in enumerate(explore.MODELS)}


@pytest.fixture(scope="module")
def table():
    accuracy = {
        "none": (0.425, 0.44, 0.45),
        "gaussian": (0.42, 0.43, 0.46),
        "gaussian_mixture": (0.41, 0.42, 0.43),
        "swiss_roll": (0.28, 0.28, 0.29),
        "30 codes": (0.41,),
    }
    rows = [
        {"prior": prior, "seed": seed, "accuracy": value}
        for prior, values in accuracy.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def found(digits, runs, table):
    return explore.contents(digits, runs, table)


@pytest.fixture(scope="module")
def committed():
    return explore.contents_of(COMMITTED.read_text(encoding="utf-8"))


def test_whole_numbers_of_12_bits_come_back_from_their_bytes():
    whole = np.array([[-2047, 2047, 0], [1, -1, -2048], [5, 6, 7]])
    packed = np.frombuffer(explore.pack(whole), np.uint8).astype(int)
    assert len(packed) == 15  # nine numbers and a tenth, two in three bytes
    pairs = packed[::3] | packed[1::3] << 8 | packed[2::3] << 16
    back = np.stack([pairs & 0xFFF, pairs >> 12], axis=1).ravel()[:9]
    assert np.array_equal(np.where(back > 2047, back - 4096, back).reshape(3, 3), whole)


def test_the_quantized_decoder_stays_within_its_bound(runs, rng):
    run = runs["swiss_roll"]
    codes = rng.uniform(-12, 20, (500, 3)).astype(np.float32)
    layers = explore.quantize(run.model.get_layer("decoder").get_weights())
    pixels = training.decode(run, codes)
    assert pixels.min() < 0.1 and pixels.max() > 0.9  # not all grey, which would be easy
    assert 0 < explore.largest_error(run, layers, codes) < explore.LARGEST_ERROR
    for layer, kernel in zip(layers, run.model.get_layer("decoder").get_weights()[::2], strict=True):
        assert np.abs(layer["kernel"]).max() == 2047
        rebuilt = layer["kernel"] * layer["scale"][:, None]
        assert np.all(np.abs(rebuilt - kernel) <= 0.501 * layer["scale"][:, None])


def test_a_decoder_that_is_too_far_off_makes_no_page(digits, runs, table, monkeypatch):
    monkeypatch.setattr(explore, "LARGEST_ERROR", 1e-9)
    with pytest.raises(ValueError, match="decoded pixels must be within"):
        explore.contents(digits, runs, table)


def test_seeds_are_in_the_papers_order_and_their_intervals_are_the_rules(found):
    gaussian, mixture, roll, none = found["seeds"]
    assert [row["prior"] for row in found["seeds"]] == ["gaussian", "gaussian_mixture", "swiss_roll", "none"]
    assert gaussian["runs"] == [0.42, 0.43, 0.46] and gaussian["low"] < gaussian["mean"] < gaussian["high"]
    assert roll["apart"]["side"] == "less" and gaussian["apart"]["side"] == "not settled"
    assert none["apart"] is None and mixture["paper"] == 0.4424


def test_one_run_of_each_has_no_interval(table):
    assert {row["low"] for row in explore.seeds(table[table.seed == 0])} == {None}


def test_unrolled_codes_lie_where_they_are_on_the_roll():
    angles, heights = np.array([5.0, 9.0, 14.0]), np.array([0.0, 7.0, 21.0])
    points = np.asarray(priors.SwissRoll().surface(angles, heights))
    length = (angles * np.sqrt(1 + angles**2) + np.arcsinh(angles)) / 2
    np.testing.assert_allclose(explore.unroll(points), np.stack([length, heights], axis=1), atol=0.07)


def test_the_page_holds_all_it_needs(found):
    text = explore.page(found)
    assert explore.contents_of(text) == json.loads(json.dumps(found))
    assert "@@" not in text and "<script src" not in text and "<link" not in text and "@import" not in text
    with pytest.raises(ValueError, match="make explore has written"):
        explore.contents_of("<p>another page</p>")


def test_a_real_image_is_where_the_page_looks_for_it(digits, found):
    from PIL import Image

    sheet = Image.open(io.BytesIO(base64.b64decode(found["images"].partition(",")[2]))).convert("L")
    shown = np.random.default_rng(0).permutation(len(digits.test))[: explore.SHOWN]
    row, column = divmod(123, explore.COLUMNS)
    tile = np.asarray(sheet)[28 * row : 28 * row + 28, 28 * column : 28 * column + 28] / 255
    assert np.abs(tile.ravel() - digits.test.images[shown[123]]).max() <= 0.5 / (explore.GREYS - 1) + 1e-6


def test_the_committed_page_is_of_the_papers_runs_and_of_these_files(committed):
    text = COMMITTED.read_text(encoding="utf-8")
    assert len(text.encode()) <= explore.MOST_BYTES
    assert committed["title"] == "KMNIST" and len(committed["labels"]) == explore.SHOWN
    assert committed["error"]["largest"] < 2
    assert text == explore.page(committed), "the files in explore/ are newer: run make explore"
    tables = results.read_tables(settings.project_dir() / "figures")
    assert committed["seeds"] == explore.seeds(tables[explore.TABLE]), "Table 2 is newer: run make explore"


def test_without_kept_runs_it_says_what_to_train(tmp_path, table, capsys):
    folder = settings.figures_dir("digits", "smoke")
    folder.mkdir(parents=True)
    which = ["explore", "--profile", "smoke", "--dataset", "digits"]
    assert command.main(which) == 2
    assert f"there is no {explore.TABLE}.csv" in capsys.readouterr().err
    table.to_csv(folder / f"{explore.TABLE}.csv", index=False)
    assert command.main(which) == 2
    assert "Run make train PROFILE=smoke NOTEBOOKS=notebooks/08" in capsys.readouterr().err


def test_from_kept_runs_it_writes_the_page_and_without_them_renews_it(digits, table, monkeypatch, capsys):
    folder = settings.figures_dir("digits", "smoke")
    folder.mkdir(parents=True)
    table.to_csv(folder / f"{explore.TABLE}.csv", index=False)
    monkeypatch.setattr(store.Training, "kept", True)
    monkeypatch.setattr(store.Training, "run", lambda described, data: untrained(described.seed))
    which = ["explore", "--profile", "smoke", "--dataset", "digits"]
    assert command.main(which) == 0
    path = folder / explore.NAME
    assert f"{path}: " in capsys.readouterr().out
    before = explore.contents_of(path.read_text(encoding="utf-8"))
    monkeypatch.setattr(store.Training, "kept", False)
    table.assign(accuracy=table.accuracy + 0.01).to_csv(folder / f"{explore.TABLE}.csv", index=False)
    assert command.main(which) == 0
    after = explore.contents_of(path.read_text(encoding="utf-8"))
    assert after["seeds"] != before["seeds"] and after | {"seeds": before["seeds"]} == before
    assert set(explore.MODELS) <= set(experiments.table(explore.TABLE).settings)


# ---- The page's numbers in node ----


@pytest.fixture(scope="module")
def in_node(tmp_path_factory):
    """A function of JavaScript code and its input, which returns what the code returns."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs node")
    script = tmp_path_factory.mktemp("node") / "script.js"

    def call(code, given):
        script.write_text(
            f"const numbers = require({json.dumps(str(explore.FOLDER / 'numbers.js'))});\n"
            "const given = JSON.parse(require('fs').readFileSync(0));\n"
            f"console.log(JSON.stringify((() => {{ {code} }})()));"
        )
        done = subprocess.run(
            [node, script], input=json.dumps(given), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return call


def _of_tensorflow(codes, prior, sigma):
    """The CSD in double precision and minus its gradient in the codes."""
    x, y = (tf.constant(points, tf.float64) for points in (codes, prior))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = divergence.cauchy_schwarz_divergence(x, y, sigma)
    return float(value), -tape.gradient(value, x).numpy()


CSD = "return given.sigmas.map((sigma) => numbers.divergence(given.codes, given.prior, sigma));"


@pytest.mark.parametrize("scene", explore.scenes(), ids=lambda scene: scene["name"])
def test_csd_and_arrows_are_those_of_divergence_py(scene, in_node):
    found = in_node(CSD, {**scene, "sigmas": SIGMAS})
    for sigma, ours in zip(SIGMAS, found, strict=True):
        value, pulls = _of_tensorflow(scene["codes"], scene["prior"], sigma)
        assert ours["value"] == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(ours["pulls"], pulls, rtol=1e-6, atol=1e-6 * np.abs(pulls).max())


def test_where_the_means_agree_a_wide_kernel_leaves_little_and_that_is_right(in_node, rng):
    codes = rng.normal(size=(40, 2))
    prior = 2 * rng.normal(size=(40, 2))
    prior += codes.mean(axis=0) - prior.mean(axis=0)
    (found,) = in_node(CSD, {"codes": codes.tolist(), "prior": prior.tolist(), "sigmas": [1000.0]})
    value, pulls = _of_tensorflow(codes, prior, 1000.0)
    assert 0 < value < 1e-10 and found["value"] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found["pulls"], pulls, rtol=1e-4, atol=1e-6 * np.abs(pulls).max())


def test_densities_are_parzen_density(in_node, rng):
    x, places = rng.normal(size=(30, 2)), rng.normal(size=(9, 2)) * 2
    code = "return given.places.map((place) => numbers.parzen(place, given.x, given.sigma));"
    found = in_node(code, {"x": x.tolist(), "places": places.tolist(), "sigma": 0.6})
    np.testing.assert_allclose(found, divergence.parzen_density(places, x, 0.6), rtol=1e-6)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_steps_go_down_and_end(sigma, in_node):
    scene = explore.scenes()[0]
    code = (
        "const values = []; let codes = given.codes; for (let i = 0; i < 60; i++) {"
        " values.push(numbers.divergence(codes, given.prior, given.sigma).value);"
        " const moved = numbers.step(codes, given.prior, given.sigma, 0.15);"
        " if (moved === codes) break; codes = moved; } return values;"
    )
    values = in_node(code, {**scene, "sigma": sigma})
    assert np.all(np.diff(values) < 0) and values[-1] < values[0]


DECODE = "const decode = numbers.decoder(given.layers); return given.codes.map((code) => [...decode(code)]);"


def test_the_decoder_in_node_is_the_one_in_python(found, runs, in_node, rng):
    codes = rng.uniform(-10, 15, (50, 3)).astype(np.float32)
    pixels = np.array(in_node(DECODE, {"layers": found["decoder"], "codes": codes.tolist()}))
    layers = explore.quantize(runs["swiss_roll"].model.get_layer("decoder").get_weights())
    np.testing.assert_allclose(pixels, explore.decode(layers, codes), atol=1e-6)
    assert np.abs(pixels - training.decode(runs["swiss_roll"], codes)).max() < explore.LARGEST_ERROR


def test_neighbours_and_points_of_the_roll(in_node, rng):
    points, place = rng.normal(size=(200, 3)), [0.1, -0.2, 0.3]
    code = "return numbers.nearest(given.points, given.place, 20).map(({ row }) => row);"
    found = in_node(code, {"points": points.ravel().tolist(), "place": place})
    assert found == np.argsort(np.linalg.norm(points - place, axis=1))[:20].tolist()
    on_roll = in_node("return numbers.rollPoint(given.angle, given.height);", {"angle": 6.0, "height": 10.0})
    np.testing.assert_allclose([on_roll], priors.SwissRoll().surface([6.0], [10.0]), rtol=1e-6)


# ---- The page in a browser ----


@pytest.fixture(scope="module")
def browser(found, tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium and its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu")
    for argument in (
        "headless=new",
        "no-sandbox",
        "window-size=1280,900",
        *(f"disable-{it}" for it in quiet),
    ):
        options.add_argument(f"--{argument}")
    file = tmp_path_factory.mktemp("page") / explore.NAME
    file.write_text(explore.page(found), encoding="utf-8")
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.get(file.as_uri())
    yield chrome
    chrome.quit()


@pytest.fixture(autouse=True)
def no_errors_on_the_console(request):
    yield
    if "browser" in request.fixturenames:
        assert request.getfixturevalue("browser").get_log("browser") == []


def _text(browser, name):
    return browser.find_element("id", name).text


def _until(true, seconds=20):
    end = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


def test_the_browsers_decoder_is_kerass_within_the_bound(browser, runs, rng):
    codes = rng.uniform(-10, 15, (50, 3)).astype(np.float32)
    script = "return arguments[0].map((code) => [...codesPart.decode(code)])"
    pixels = np.array(browser.execute_script(script, codes.tolist()))
    assert np.abs(pixels - training.decode(runs["swiss_roll"], codes)).max() < explore.LARGEST_ERROR


def test_the_decoded_image_is_painted_where_the_point_is(browser, runs):
    _keys(browser, "angle", "HOME", "ARROW_RIGHT")
    place = np.float32([browser.execute_script("return codesPart.state.place")])
    script = "return [...document.getElementById('decoded').getContext('2d').getImageData(0, 0, 28, 28).data]"
    painted = np.array(browser.execute_script(script)).reshape(784, 4)
    expected = 255 * training.decode(runs["swiss_roll"], place)[0]
    assert np.abs(painted[:, 0] - expected).max() < 2 + 0.5 and np.all(painted[:, 3] == 255)
    on_roll = priors.SwissRoll().distance(place)
    assert float(on_roll[0]) < 0.05


def test_the_arrows_in_the_browser_are_gradient_tapes(browser, found):
    scene = found["scenes"][0]
    _keys(browser, "sigma", "HOME", *["PAGE_UP"] * 4)
    shown = browser.execute_script("return kernelPart.update()")
    value, pulls = _of_tensorflow(scene["codes"], scene["prior"], shown["sigma"])
    assert shown["csd"] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(shown["pulls"], pulls, rtol=1e-6, atol=1e-6 * np.abs(pulls).max())
    assert float(_text(browser, "csd")) == pytest.approx(value, rel=1e-3)


def test_the_kernel_slider_goes_from_end_to_end_by_keyboard_and_says_what_one_sees(browser):
    _keys(browser, "sigma", "HOME")
    assert _text(browser, "sigma-value") == "0.05" and "Too narrow to reach" in _text(browser, "kernel-says")
    _keys(browser, "sigma", "END")
    assert _text(browser, "sigma-value") == "1000"
    assert "Too wide to see anything but the mean" in _text(browser, "kernel-says")
    assert float(_text(browser, "common").rstrip("%")) > 99
    slider = browser.find_element("id", "sigma")
    assert slider.get_attribute("aria-valuetext") == "sigma 1000"
    _keys(browser, "sigma", "ARROW_LEFT")
    assert 800 < float(_text(browser, "sigma-value")) < 1000


def test_play_brings_the_csd_down_and_start_again_brings_it_back(browser):
    _keys(browser, "sigma", "HOME", *["PAGE_UP"] * 4)
    first = _text(browser, "csd")
    for press in ("play", "play"):
        browser.find_element("id", press).click()
        time.sleep(0.6)
    assert float(_text(browser, "csd")) < float(first)
    browser.find_element("id", "again").click()
    assert _text(browser, "csd") == first


def test_the_cloud_turns_by_mouse_and_keyboard_and_its_point_can_be_dragged(browser):
    from selenium.webdriver import ActionChains

    view = "return [codesPart.view.yaw, codesPart.view.pitch]"
    cloud = browser.find_element("id", "cloud")
    browser.execute_script("arguments[0].scrollIntoView()", cloud)
    before = browser.execute_script(view)
    ActionChains(browser).move_to_element_with_offset(cloud, -200, -200).click_and_hold().move_by_offset(
        60, 20
    ).release().perform()
    turned = browser.execute_script(view)
    assert turned[0] > before[0] and turned[1] > before[1]
    _keys(browser, "cloud", "ARROW_LEFT")
    assert browser.execute_script(view)[0] < turned[0]

    place = "return codesPart.state.place"
    at = "const [x, y] = codesPart.onScreen(); const box = document.getElementById('cloud'); "
    x, y = browser.execute_script(f"{at} return [x - box.clientWidth / 2, y - box.clientHeight / 2]")
    before = browser.execute_script(place)
    ActionChains(browser).move_to_element_with_offset(
        cloud, round(x), round(y)
    ).click_and_hold().move_by_offset(25, 15).release().perform()
    dragged = browser.execute_script(place)
    assert dragged != before and float(priors.SwissRoll().distance([dragged])[0]) < 0.05


def test_the_walk_plays_and_the_point_goes_between_two_characters(browser):
    place = "return codesPart.state.place"
    before = browser.execute_script(place)
    browser.find_element("id", "walk").click()
    assert _until(lambda: browser.execute_script(place) != before)
    browser.find_element("id", "walk").click()
    browser.find_element("id", "between").click()
    assert "of the 20 nearest test images" in _text(browser, "where")


def test_other_models_show_the_nearest_image_only(browser):
    browser.find_element("css selector", "input[value=gaussian]").click()
    assert not browser.find_element("id", "decoded").is_displayed()
    assert (
        browser.find_element("id", "nearest").is_displayed()
        and browser.find_element("id", "z0").is_displayed()
    )
    _keys(browser, "z0", "ARROW_RIGHT")
    browser.find_element("css selector", "input[value=swiss_roll]").click()
    assert browser.find_element("id", "decoded").is_displayed()


def test_seeds_are_drawn_until_the_order_is_the_papers(browser, found):
    browser.find_element("id", "until").click()
    drawn = browser.execute_script("return seedsPart.drawn()")
    gaussian, mixture, _, none = (row["runs"][at] for row, at in zip(found["seeds"], drawn, strict=True))
    said = _text(browser, "drawn")
    assert gaussian > mixture > none and said.startswith("This draw has the paper's order")
    browser.find_element("id", "draw").click()
    assert _text(browser, "drawn") != said
    browser.find_element("id", "all").click()
    assert "not settled" in _text(browser, "all-says")


def test_the_slice_of_the_roll_moves(browser):
    _keys(browser, "slice", "END")
    assert _text(browser, "slice-value") == "21.0"
    before = _text(browser, "slice-says")
    _keys(browser, "slice", "HOME", "PAGE_UP")
    assert _text(browser, "slice-says") != before


@pytest.mark.parametrize("width", [400, 1280, 1600])
def test_nothing_sticks_out(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert _until(lambda: browser.execute_script("return innerWidth") == width)
    page = "document.documentElement"
    assert browser.execute_script(f"return {page}.scrollWidth <= {page}.clientWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_in_a_frame_the_links_lead_to_the_parts(browser, found, tmp_path):
    file = tmp_path / "report.html"
    inside = html.escape(explore.page(found))
    file.write_text(f'<iframe srcdoc="{inside}" width="900" height="500"></iframe>', encoding="utf-8")
    before = browser.current_url
    browser.get(file.as_uri())
    browser.switch_to.frame(0)
    browser.find_element("link text", "One run or five?").click()
    assert _until(lambda: browser.execute_script("return scrollY > 900"))
    assert _text(browser, "seeds-title") == "One run or five?"
    browser.switch_to.default_content()
    browser.get(before)


def _keys(browser, name, *keys):
    from selenium.webdriver.common.keys import Keys

    target = browser.find_element("id", name)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    target.send_keys(*(getattr(Keys, key) for key in keys))
