"""explore's panel in a headless Chromium: the page of `contlm explore`, and the notebook's view."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import chromium
import pytest
from contlm.explore import assets

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="there is no chromium")
pytest.importorskip("uvicorn")

IDLE = "document.querySelector('.status').dataset.state === 'idle'"
TEXT = "document.querySelector('.point .text').textContent"
# a mean and its standard error
SCORE = r"[01]\.\d\d ±0\.\d\d"
LEFT, TAB, ESCAPE = ("ArrowLeft", 37), ("Tab", 9), ("Escape", 27)
# The least contrast of a text with its ground, by WCAG's formula; a canvas works colours out
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    const clear = (e) => getComputedStyle(e).backgroundColor === "rgba(0, 0, 0, 0)";
    while (e && clear(e)) e = e.parentElement;
    return light(getComputedStyle(e ?? document.body).backgroundColor);
  };
  const words = "h1, h2, p, label, span, button, th, td, small, dt, dd, textarea, " +
    "input[type=number]";
  const seen = [...document.querySelectorAll(words)]
    .filter((e) => e.checkVisibility() && (e.textContent.trim() || e.value));
  return Math.min(...seen.map((e) => {
    const lights = [light(getComputedStyle(e).color), ground(e)].sort((a, b) => a - b);
    return (lights[1] + 0.05) / (lights[0] + 0.05);
  }));
})()"""
# Controls without a label
NAMELESS = """[...document.querySelectorAll("input, textarea, button")]
  .filter((e) => ![e.ariaLabel, e.textContent, e.labels?.[0]?.textContent].some((t) => t?.trim()))
  .map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def command() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`contlm explore` as a user starts it, and the address that it prints."""
    arguments = ["--no-browser", "--alpha", "sentiment=1", "Finn met Ivy"]
    process = subprocess.Popen(
        [sys.executable, "-m", "contlm", "explore", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "no address after a minute"
    address = re.search(r"http://\S+", process.stdout.readline())
    assert address
    yield process, address[0]
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    executable = chromium.find()
    assert executable
    page = chromium.Page(executable, tmp_path_factory.mktemp("chromium"))
    yield page
    page.close()


@pytest.fixture()
def page(
    browser: chromium.Page, command: tuple[subprocess.Popen[str], str]
) -> Iterator[chromium.Page]:
    """The page after its first run; whatever a test does, it may not fail in silence."""
    browser.problems.clear()
    browser.requests.clear()
    browser.view(1280, 900)
    browser.open(command[1])
    browser.wait(IDLE)
    yield browser
    assert browser.problems == []
    server = command[1].partition("?")[0]
    assert all(url.startswith((server, "data:")) for url in browser.requests), browser.requests


def move(page: chromium.Page, label: str, value: float) -> None:
    """A slider moved, found as a screen reader finds it."""
    page.evaluate(
        f"""(() => {{
          const slider = document.querySelector('input[type=range][aria-label="{label}"]');
          slider.value = {value};
          slider.dispatchEvent(new Event("input", {{ bubbles: true }}));
        }})()"""
    )


def scores(page: chromium.Page) -> dict[str, list[str]]:
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-classifier]')].map((row) =>"
        "[row.dataset.classifier, [...row.querySelectorAll('.value')].map((v) => v.textContent)]))"
    )


def enter(page: chromium.Page, label: str, value: str) -> None:
    """A number typed beside a slider, key by key as a person does, and left."""
    field = f"document.querySelector('[aria-label=\"{label}, as a number\"]')"
    page.evaluate(f"{field}.focus(), {field}.select()")
    page.call("Input.insertText", text=value)
    page.evaluate(f"{field}.blur()")


def click(page: chromium.Page, selector: str) -> None:
    page.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


def told(page: chromium.Page) -> str | None:
    """What the panel complains of."""
    return page.evaluate(
        "(({ hidden, textContent }) => hidden ? null : textContent)"
        "(document.querySelector('[role=alert]'))"
    )


def test_the_page_writes_and_scores(page: chromium.Page) -> None:
    text = page.evaluate(TEXT)
    assert text.startswith("Finn met Ivy") and len(text) > 30
    assert page.evaluate("document.querySelector('.base .text').textContent") != text
    found = scores(page)
    assert len(found) == 5
    assert all(re.fullmatch(SCORE, v) for pair in found.values() for v in pair), found
    about = page.evaluate("document.querySelector('caption small').textContent")
    assert about.startswith("mean of 8 texts ± its standard error")
    for side in ("base", "point"):
        shown = page.evaluate(f"document.querySelector('.{side} .perplexity').textContent")
        assert re.fullmatch(r"perplexity \d+(\.\d)?", shown)
    assert page.evaluate("document.querySelector('.gibberish').checkVisibility()") is False


def test_means_and_errors_follow_the_samples(page: chromium.Page) -> None:
    page.evaluate(
        """(() => {
          window.abouts = [];
          const about = document.querySelector("caption small");
          new MutationObserver(() => window.abouts.push(about.textContent))
            .observe(about, { childList: true });
        })()"""
    )
    enter(page, "Samples that scores are means of", "6")
    page.wait(f"window.abouts.length && {IDLE}")
    counts = [re.search(r"mean of (\d+)", about) for about in page.evaluate("window.abouts")]
    steps = list(dict.fromkeys(int(m[1]) if m else 1 for m in counts))
    assert steps == [1, 5, 6]
    enter(page, "Samples that scores are means of", "1")
    page.wait(f"!document.querySelector('caption small').textContent.includes('mean') && {IDLE}")
    assert all(re.fullmatch(r"[01]\.\d\d", v) for pair in scores(page).values() for v in pair)


def test_points_are_pinned_and_unpinned(page: chromium.Page) -> None:
    pins = "[...document.querySelectorAll('.pin')].map((p) => p.textContent)"
    disabled = "document.querySelector('.hold').disabled"
    text = page.evaluate(TEXT)
    first = {name: pair[1] for name, pair in scores(page).items()}
    click(page, ".hold")
    (pin,) = page.evaluate(pins)
    assert text in pin and "sentiment α 1 λ 1;" in pin and "seed" in pin
    kept = page.evaluate("[...document.querySelectorAll('.pin dd')].map((d) => d.textContent)")
    assert kept == list(first.values()) and all(re.fullmatch(SCORE, v) for v in kept)
    assert page.evaluate(disabled), "the same point needs no second pin"

    move(page, "Humor alpha", 2)
    move(page, "Sentiment lambda, its share", 0.25)
    page.wait(IDLE)
    assert page.evaluate(TEXT) != text
    click(page, ".hold")
    assert len(page.evaluate(pins)) == 2 and page.evaluate(disabled)
    assert "sentiment α 1 λ 0.25 · humor α 2 λ 0.5" in page.evaluate(pins)[1]

    enter(page, "Temperature", "0")
    page.wait(IDLE)
    assert page.evaluate(TEXT) != text and page.evaluate(disabled), "two are pinned"
    click(page, ".pin button")  # back to this point
    page.wait(f"{IDLE} && {TEXT} === {json.dumps(text)}")
    assert {name: pair[1] for name, pair in scores(page).items()} == first
    where = page.evaluate("document.querySelector('.point .where').textContent")
    assert where == "sentiment 1"
    assert page.evaluate("document.querySelector('.sum').textContent") == "Σλ = 1"

    click(page, "[aria-label='Unpin pin 1']")
    (left,) = page.evaluate(pins)
    assert left.startswith("Pin 2") and not page.evaluate(disabled)
    click(page, ".hold")
    assert [p[:5] for p in page.evaluate(pins)] == ["Pin 2", "Pin 1"]


def test_scores_reach_a_point_that_was_pinned_before_them(page: chromium.Page) -> None:
    enter(page, "Samples that scores are means of", "48")
    move(page, "Length in tokens", 120)
    page.wait("document.querySelector('.status').dataset.state === 'sampling'")
    click(page, ".hold")
    page.wait(IDLE)
    kept = page.evaluate("[...document.querySelectorAll('.pin dd')].map((d) => d.textContent)")
    assert kept == [pair[1] for pair in scores(page).values()] and all("±" in v for v in kept)


def test_sampling_reaches_the_model(page: chromium.Page) -> None:
    page.evaluate("navigator.clipboard.writeText = async (code) => { window.copied = code; }")
    copy = (
        "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Copy as Python')"
    )
    before = page.evaluate(TEXT)
    move(page, "Top-p", 0.3)
    page.wait(IDLE)
    assert page.evaluate(TEXT) != before
    page.evaluate(f"{copy}.click()")
    assert "top_p=0.3, num_return_sequences=8" in page.wait("window.copied")
    move(page, "Temperature", 0)
    page.wait(IDLE)
    page.evaluate(f"{copy}.click()")
    page.wait("window.copied.includes('do_sample=False')")
    assert "top_p" not in page.evaluate("window.copied")


def test_gibberish_is_marked(page: chromium.Page) -> None:
    mark = "document.querySelector('.point .gibberish')"
    assert not page.evaluate(f"{mark}.checkVisibility()")
    enter(page, "Sentiment alpha", "8")
    page.wait(f"{IDLE} && {mark}.checkVisibility()")
    sentence = r"the base model finds this text [\d,]+ times as surprising as its own\."
    assert re.fullmatch(f"Probably gibberish: {sentence}", page.evaluate(f"{mark}.textContent"))
    click(page, ".hold")
    assert page.evaluate("document.querySelector('.pin .gibberish').checkVisibility()")
    enter(page, "Sentiment alpha", "1")
    page.wait(f"{IDLE} && !{mark}.checkVisibility()")


def test_numbers_that_are_none_are_refused(page: chromium.Page) -> None:
    runs = len([url for url in page.requests if url.endswith("/run")])
    enter(page, "Temperature", "1e999")
    message = told(page)
    assert message == "Temperature: must be a finite number, at least 0; it stays 1.00"
    assert page.evaluate("document.querySelector('[aria-invalid]')") is None
    enter(page, "Top-p", "2")
    assert "at most 1; it stays 1.00" in (told(page) or "")
    # a number past the slider's end is one, and stays when a later one is refused
    enter(page, "Sentiment alpha", "2.5")
    enter(page, "Sentiment alpha", "1e999")
    value = "document.querySelector('[aria-label=\"Sentiment alpha, as a number\"]').value"
    assert page.evaluate(value) == "2.50"
    page.wait(IDLE)
    assert len([url for url in page.requests if url.endswith("/run")]) == runs + 1
    # a page that sends one nevertheless
    answer = page.evaluate(
        """(async () => {
          const answer = await fetch("run", { method: "POST", credentials: "omit", headers: {
            "Content-Type": "application/json",
            "X-Contlm-Token": new URLSearchParams(location.search).get("token"),
          }, body: '{"prompt": "a", "alpha": {"humor": 1e999}}' });
          return [answer.status, (await answer.json()).error];
        })()"""
    )
    assert answer == [400, "alpha['humor']: must be finite, got inf"]
    # which the browser notes as a failed request
    assert len(page.problems) == 1 and "400" in page.problems.pop()


def test_a_phone(page: chromium.Page) -> None:
    page.view(360, 740, phone=True)
    page.evaluate("window.scrollTo(0, 0)")
    click(page, ".hold")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    small = page.evaluate(
        """[...document.querySelectorAll(
             "button, input[type=range], input[type=number], textarea, label.switch")]
          .filter((e) => e.checkVisibility())
          .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
          .filter(([, box]) => box.height < 44 || box.left < 0 || box.right > 360)
          .map(([html, box]) => [html, box.height, box.left, box.right])"""
    )
    assert small == []
    alpha = "document.querySelector('[aria-label=\"Sentiment alpha\"]')"
    assert page.evaluate(f"{alpha}.getBoundingClientRect().width") >= 180
    # the point's text stays in sight while its sliders move
    box = page.evaluate("document.querySelector('article.point').getBoundingClientRect().toJSON()")
    assert box["top"] > 370 and box["bottom"] <= 740
    # a finger, on the slider's middle
    page.evaluate("window.scrollBy(0, document.querySelector('[data-attribute=sentiment]')"
                  ".getBoundingClientRect().top - 20)")  # fmt: skip
    slider = page.evaluate(f"{alpha}.getBoundingClientRect().toJSON()")
    page.tap(slider["x"] + slider["width"] / 2, slider["y"] + 6)
    page.wait(f"{alpha}.value === '0.5'")
    page.wait(IDLE)


def test_a_moved_slider_writes_anew(page: chromium.Page) -> None:
    before = page.evaluate(TEXT)
    base = page.evaluate("document.querySelector('.base .text').textContent")
    move(page, "Humor alpha", 1.5)
    assert page.evaluate("document.querySelector('.go').textContent") == "Stop"
    assert page.evaluate("document.querySelector('.sum').textContent") == "Σλ = 1"
    shares = page.evaluate(
        "[...document.querySelectorAll('[aria-label$=\"its share\"]')].map((s) => Number(s.value))"
    )
    assert shares == [0, 0, 0, 0.5, 0.5]
    page.wait(f"{IDLE} && {TEXT} !== {json.dumps(before)}")
    assert page.evaluate("document.querySelector('.base .text').textContent") == base
    where = page.evaluate("document.querySelector('.point .where').textContent")
    assert where == "sentiment 1 · humor 1.5"
    # lambda by hand, then equal again
    move(page, "Humor lambda, its share", 0.9)
    assert page.evaluate("document.querySelector('[id$=equal]').checked") is False
    page.wait(IDLE)
    page.evaluate("document.querySelector('[id$=equal]').click()")
    page.wait(IDLE)
    assert page.evaluate("document.querySelector('.sum').textContent") == "Σλ = 1"


def test_text_streams_and_a_new_move_cancels(page: chromium.Page) -> None:
    page.evaluate(
        """(() => {
          window.lengths = [];
          const text = document.querySelector(".point .text");
          new MutationObserver(() => window.lengths.push(text.textContent.length))
            .observe(text, { subtree: true, childList: true, characterData: true });
        })()"""
    )
    move(page, "Length in tokens", 200)
    page.wait("new Set(window.lengths).size >= 2")
    runs = len([url for url in page.requests if url.endswith("/run")])
    for alpha in (0.5, 0.6, 0.7):
        move(page, "Sentiment alpha", alpha)
    page.wait(IDLE)
    # three moves at once are one run
    assert len([url for url in page.requests if url.endswith("/run")]) == runs + 1
    where = page.evaluate("document.querySelector('.point .where').textContent")
    assert where == "sentiment 0.7"


def test_the_keyboard_is_enough(page: chromium.Page) -> None:
    page.evaluate("document.querySelector('[aria-label=\"Sentiment alpha\"]').focus()")
    for _ in range(5):
        page.key(*LEFT)
    page.wait(IDLE)
    spoken = "document.activeElement.getAttribute('aria-valuetext')"
    assert page.evaluate(spoken) == "0.75, between"
    page.key(*TAB)
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Sentiment alpha, as a number"
    move(page, "Length in tokens", 190)
    page.key(*ESCAPE)
    status = page.evaluate("document.querySelector('.status').textContent")
    assert status == "Stopped"


def test_everything_has_a_name(page: chromium.Page) -> None:
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate("document.querySelector('[role=alert]').hidden")


def test_an_error_is_shown_in_place(page: chromium.Page) -> None:
    page.evaluate(
        """(() => {
          const prompt = document.querySelector("textarea");
          prompt.value = "Ivy ".repeat(2000);
          prompt.dispatchEvent(new Event("input", { bubbles: true }));
        })()"""
    )
    page.wait("!document.querySelector('[role=alert]').hidden")
    message = page.evaluate("document.querySelector('[role=alert]').textContent")
    assert "fit the context" in message
    page.evaluate(
        """(() => {
          const prompt = document.querySelector("textarea");
          prompt.value = "Ivy";
          prompt.dispatchEvent(new Event("input", { bubbles: true }));
        })()"""
    )
    page.wait("document.querySelector('[role=alert]').hidden")
    page.wait(IDLE)


@pytest.mark.parametrize("width", [320, 420, 760, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(page: chromium.Page, width: int, scheme: str) -> None:
    page.view(width, 900, scheme)
    click(page, ".hold")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # what WCAG asks of text
    worst = page.evaluate(CONTRAST)
    assert worst >= 4.5


def test_the_notebooks_view(page: chromium.Page) -> None:
    """The script that anywidget loads, over a model whose kernel is a few lines of JavaScript."""
    config = {
        "model": "tiny", "precision": "float32 on cpu", "attributes": ["tone"],
        "classifiers": ["tone"], "context_length": 64, "alpha_range": [-1, 2], "lam_range": [0, 1],
        "max_samples": 64,
        "settings": {
            "prompt": "The fox", "alpha": {"tone": 1}, "lam": {"tone": 1}, "max_new_tokens": 8,
            "temperature": 1, "top_p": 1, "seed": 0, "samples": 2,
        },
    }  # fmt: skip
    page.open("about:blank")
    page.evaluate(
        f"""(async () => {{
          const source = {json.dumps(assets.script("notebook.js"))};
          const url = "data:text/javascript;base64," + btoa(unescape(encodeURIComponent(source)));
          const {{ default: view }} = await import(url);
          const style = document.createElement("style");
          style.textContent = {json.dumps(assets.style())};
          document.head.append(style);
          const el = document.createElement("div");
          document.body.append(el);
          document.body.dataset.jpThemeLight = "false";
          let hear = null;
          window.sent = [];
          window.state = {{ config: {json.dumps(config)} }};
          const model = {{
            get: (name) => window.state[name],
            set: (name, value) => {{ window.state[name] = value; }},
            save_changes() {{}},
            on: (_, callback) => {{ hear = callback; }},
            off() {{ hear = null; }},
            send: (message) => {{
              window.sent.push(message);
              if (message.cancel) return;
              const say = (event) => setTimeout(() => hear?.({{ run: message.run, event }}), 5);
              say({{ kind: "text", pieces: {{ base: " ran", point: " sang" }} }});
              say({{ kind: "shown", texts: {{ base: " ran", point: " sang" }}, code: "",
                     perplexity: {{ base: 2, point: null }}, gibberish: false,
                     stats: {{ new_tokens: 2, tokens_per_s: 9, mode: "bank" }} }});
              say({{ kind: "scores", attribute: "tone", samples: 2,
                     means: {{ base: 0.25, point: null }}, errors: {{ base: 0.1, point: null }} }});
              say({{ kind: "done", samples: 2 }});
            }},
          }};
          window.leave = view.render({{ model, el }});
        }})()"""
    )
    page.wait(IDLE)
    assert page.evaluate(TEXT) == "The fox sang"
    assert scores(page) == {"tone": ["0.25 ±0.10", "?"]}
    # the notebook's theme, not the system's
    assert page.evaluate("getComputedStyle(document.querySelector('.panel')).colorScheme") == "dark"
    move(page, "Tone alpha", -0.5)
    page.wait(f"window.sent.length === 2 && {IDLE}")
    settings = page.evaluate("window.state.settings")
    assert settings["alpha"] == {"tone": -0.5} and settings["lam"] is None
    assert page.evaluate("window.sent[1].settings") == settings
    move(page, "Tone alpha", 0)
    page.evaluate("window.leave()")
    assert page.evaluate("document.querySelector('.panel')") is None
    page.requests.clear()


def test_ctrl_c_ends_the_server_and_the_page_says_so(
    page: chromium.Page, command: tuple[subprocess.Popen[str], str]
) -> None:
    process, _ = command
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(10) == 0 and time.monotonic() - began < 5
    page.evaluate("document.querySelector('.go').click()")
    page.wait("!document.querySelector('[role=alert]').hidden")
    message = page.evaluate("document.querySelector('[role=alert]').textContent")
    assert "is contlm explore still running?" in message
    page.problems.clear()  # the refused connection, which the browser notes too
