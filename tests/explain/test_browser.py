"""The page in a real browser: it works by pointer and by keyboard, loads nothing.

And runs nothing that a tweet brought.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

import hvpkit
from hvpkit.explain.explain_example import explain_example
from hvpkit.explain.render.html_page import write_html
from hvpkit.inference.inputs import PredictionInput, parse_input
from hvpkit.types import Box, VisualObject

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: the page is not opened in a browser"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip(
        "no chromium is installed: the page is not opened in a browser (apt-get install chromium)",
        allow_module_level=True,
    )

SHOTS = Path(__file__).parents[2] / "build" / "explain"  # to be looked at
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SHOWN = "all => all.every(one => one.src.startsWith('data:') && one.naturalWidth > 0)"
CAPTIONED = "all => all.every(one => one.caption && one.caption.textContent.trim())"
FOCUSED = "all => all.indexOf(document.activeElement)"
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
REFUSED = """new Promise(resolve => {
    document.addEventListener("securitypolicyviolation", event => resolve([event.effectiveDirective,
    event.blockedURI])); fetch("https://example.org/").then(() => resolve("fetched"), error => setTimeout(resolve, 1000,
    String(error)));
})"""
EVIL = "<script>document.title='run'</script> Ada & <img src=x onerror=document.title='run'> in \"Oslo\""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory, mner_model) -> Path:
    """Explain a tweet full of markup, whose image's name is markup too."""
    folder = tmp_path_factory.mktemp("page")
    image = tiny.draw(folder / "<img src=x onerror=document.title='run'>.png", 3, (640, 420))
    crop = VisualObject(tiny.draw(folder / "crop.png", 5), Box(40, 60, 240, 300), "<b>a hat</b>", 0.9)
    objects = (crop, VisualObject(box=Box(360, 90, 600, 380), phrase="\"><svg onload=document.title='run'>"))
    predictor = hvpkit.load(mner_model, device="cpu")
    explained = explain_example(
        predictor, parse_input(PredictionInput(EVIL, image, objects=objects), predictor.folder.recipe)
    )
    write_html(folder / "page.html", explained, Path("runs/<b>first</b>"))
    return folder / "page.html"


class Opened:
    """A page with all that it asked for and complained of."""

    def __init__(self, browser, file: Path, **options) -> None:
        self.page = browser.new_page(viewport={"width": 1200, "height": 900}, **options)
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    def heats(self, selector: str) -> list[int]:
        return [
            int(heat)
            for heat in self.page.eval_on_selector_all(selector, "found => found.map(one => one.dataset.heat ?? -1)")
        ]

    def shares(self) -> list[float]:
        """Read the percentages that the readout gives."""
        return percentages(self.page.inner_text("#readout"))


def percentages(text: str) -> list[float]:
    return [float(share) for share in re.findall(r"([\d.]+)%", text)]


@pytest.fixture
def opened(browser, file):
    found = Opened(browser, file)
    yield found
    found.page.close()


def test_nothing_is_loaded_nothing_complains_and_nothing_of_the_tweet_runs(opened, file):
    outside = [url for url in opened.requests if not url.startswith("data:")]
    assert outside == [file.as_uri()]
    assert opened.complaints == []
    page = opened.page
    assert page.title() != "run" and "<script>" in page.title()
    assert page.inner_text("h1") == EVIL
    assert page.locator("script").count() == 1
    assert page.locator("img").evaluate_all(SHOWN)
    assert [page.locator(brought).count() for brought in ("b", "svg[onload]", "[onerror]")] == [0, 0, 0]
    assert "<b>a hat</b>" in page.inner_text(".crops")


def test_the_policy_forbids_what_would_be_loaded(opened):
    """Even a script of the page's own cannot fetch."""
    assert opened.page.evaluate(REFUSED) == ["connect-src", "https://example.org/"]
    assert opened.complaints


def test_pointing_at_a_word_lights_the_images_as_it_attends_to_them(opened):
    word = opened.page.locator(".word", has_text="Ada").first
    word.hover()
    *shares, _ = word.evaluate("one => JSON.parse(one.dataset.shares)[0]")
    expected = [round(50 * share / max(shares)) for share in shares]
    assert opened.heats(".crop") == pytest.approx(expected, abs=1)
    assert opened.heats(".box") == pytest.approx(expected[1:], abs=1)
    assert opened.page.locator(".word.active").all_inner_texts() == ["Ada"]
    assert "“Ada”" in opened.page.inner_text("#readout")
    assert opened.shares() == pytest.approx([100 * share for share in (*shares, 1 - sum(shares))], abs=0.1)
    opened.page.mouse.move(5, 5)
    assert set(opened.heats(".crop")) == {-1}


@pytest.mark.parametrize("selector", [".crop[data-image='1']", ".box[data-image='1'] .edge"])
def test_pointing_at_an_object_lights_the_words_as_they_attend_to_it(opened, selector):
    opened.page.locator(selector).hover()
    shares = opened.page.eval_on_selector_all(".word", "all => all.map(one => JSON.parse(one.dataset.shares)[0][1])")
    assert opened.heats(".word") == pytest.approx([round(50 * share / max(shares)) for share in shares], abs=1)
    said = opened.page.inner_text("#readout")
    words = opened.page.locator(".word").all_inner_texts()
    assert opened.page.locator(".crop").nth(1).locator(".name").inner_text() in said
    assert f"“{words[shares.index(max(shares))]}”" in said
    assert opened.shares() == pytest.approx([100 * share for share in sorted(shares, reverse=True)[:3]], abs=0.1)
    assert [opened.page.locator(lit).count() for lit in (".crop.active", ".box.active")] == [1, 1]


def test_the_keyboard_does_what_the_pointer_does(opened):
    page = opened.page
    page.locator(".word").first.focus()
    first = page.inner_text("#readout")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.textContent")
    assert page.locator(".word.active").all_inner_texts() == [second]
    assert f"“{second}”" in page.inner_text("#readout")
    assert page.inner_text("#readout") != first
    page.keyboard.press("End")
    words = page.locator(".word")
    assert words.evaluate_all(FOCUSED) == words.count() - 1
    page.keyboard.press("ArrowRight")
    assert words.evaluate_all(FOCUSED) == 0
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.className").startswith("crop")
    assert max(opened.heats(".word")) == 50


def test_a_word_that_was_chosen_stays_lit_until_it_is_let_go(opened):
    page, word = opened.page, opened.page.locator(".word", has_text="Ada").first
    word.click()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    assert word.get_attribute("aria-pressed") == "true"
    assert max(opened.heats(".crop")) == 50
    word.focus()
    page.keyboard.press("Escape")
    assert word.get_attribute("aria-pressed") == "false"


def test_layers_can_be_chosen(opened):
    page, word = opened.page, opened.page.locator(".word", has_text="Ada").first
    word.click()
    everything = page.inner_text("#readout")
    page.locator("input[name=layers]").nth(1).check()
    page.mouse.move(5, 5)
    of_one = word.evaluate("one => JSON.parse(one.dataset.shares)[1]")
    assert page.inner_text("#readout") != everything
    assert opened.shares() == pytest.approx([100 * share for share in of_one], abs=0.1)


def test_everything_has_a_name_for_those_who_do_not_see_it(opened):
    page = opened.page
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("table:not([aria-hidden])").evaluate_all(CAPTIONED)
    described = page.eval_on_selector_all(
        ".word", "all => all.map(one => document.getElementById(one.getAttribute('aria-describedby')).textContent)"
    )
    shares = page.eval_on_selector_all(".word", "all => all.map(one => JSON.parse(one.dataset.shares)[0])")
    for text, own in zip(described, shares, strict=True):
        assert percentages(text) == pytest.approx([100 * share for share in own], abs=0.1)
    assert page.locator("[tabindex='0']").count() == 2
    assert page.locator("#readout").get_attribute("role") == "status"


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_is_light_and_dark_and_fits_the_window(browser, file, scheme, dark):
    found = Opened(browser, file, color_scheme=scheme)
    found.page.locator(".word", has_text="Ada").first.hover()
    colour = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", colour))) < 3 * 128) == dark
    SHOTS.mkdir(parents=True, exist_ok=True)
    found.page.screenshot(path=SHOTS / f"{scheme}.png", full_page=True)
    found.page.set_viewport_size({"width": 380, "height": 800})
    assert found.page.evaluate(OVERFLOW) <= 0
    found.page.screenshot(path=SHOTS / f"{scheme}-narrow.png", full_page=True)
    found.page.close()


def test_page_without_an_image_has_no_console_errors(browser, tmp_path, mner_model):
    predictor = hvpkit.load(mner_model, device="cpu")
    explained = explain_example(predictor, parse_input(PredictionInput("Ada in Oslo"), predictor.folder.recipe))
    write_html(tmp_path / "page.html", replace(explained, gold=("Ada: PER",)), Path("m"))
    found = Opened(browser, tmp_path / "page.html")
    assert found.complaints == []
    assert found.page.locator("#no-counterfactuals").is_visible()
    found.page.close()
