"""explore: the session's events, and its two faces, the widget without a browser and the server
over HTTP."""

from __future__ import annotations

import ast
import contextlib
import http.client
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import contlm
import numpy as np
import pytest
from contlm import Point, zoo
from contlm.explore import Session, Settings, make_session
from contlm.explore.events import Done, Event, Failed, Scores, Shown, Text, event_json
from contlm.explore.fluency import FAR_OFF_FACTOR, FAR_OFF_FLOOR, base_perplexity, far_off
from contlm.explore.settings import MAX_SAMPLES
from contlm.loading.companions import Companions

PROMPT = "The fox"
LONG = {"max_new_tokens": 400, "seed": 1}


@pytest.fixture(scope="module")
def lm() -> contlm.Interpolator:
    return zoo.load()


class Endless:
    """A model whose long texts take a minute, unless its streamer stops it: `stopped` tells."""

    def __init__(self, lm: contlm.Interpolator) -> None:
        self.lm = lm
        self.stopped = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lm, name)

    def generate(self, prompts: list[str], **options: Any) -> contlm.Generation:
        if options["max_new_tokens"] != LONG["max_new_tokens"]:
            return self.lm.generate(prompts, **options)
        try:
            for _ in range(6000):
                options["streamer"].put(0, "word ")
                time.sleep(0.01)
        except Exception:
            self.stopped.set()
            raise
        raise AssertionError("nobody stopped it")


@pytest.fixture()
def endless(lm: contlm.Interpolator) -> Any:
    return Endless(lm)


@pytest.fixture(scope="module")
def classifiers() -> dict[str, contlm.Classifier]:
    return {
        name: contlm.Classifier.from_pretrained(zoo.classifier_path(name))
        for name in ("sentiment", "humor")
    }


@pytest.fixture()
def session(
    lm: contlm.Interpolator, classifiers: dict[str, contlm.Classifier]
) -> Iterator[Session]:
    made = make_session(lm, PROMPT, classifiers, concurrent=2)
    yield made
    made.close()


def settings(**changes: Any) -> Settings:
    chosen = {"prompt": PROMPT, "point": Point({"sentiment": 1.2}), "max_new_tokens": 12, "seed": 3}
    return Settings(**{**chosen, **changes})


def shown(events: Iterable[Event]) -> Shown:
    (found,) = (e for e in events if isinstance(e, Shown))
    return found


def streamed(events: Sequence[Event]) -> dict[str, str]:
    texts = {"base": "", "point": ""}
    for event in events:
        if isinstance(event, Text):
            for side, piece in event.pieces.items():
                texts[side] += piece
    return texts


# -- settings -------------------------------------------------------------------------------------


def test_settings_survive_json() -> None:
    point = Point({"a": 1.5, "b": -1}, {"a": 0.25, "b": 1})
    before = settings(point=point, temperature=0.5, top_p=0.9, samples=3)
    assert Settings.from_json(json.loads(json.dumps(before.to_json())), ["a", "b"]) == before
    shares = Settings.from_json({"prompt": "", "alpha": {"a": 1, "b": 0}, "lam": None}, ["a", "b"])
    assert shares.point == Point({"a": 1, "b": 0}, {"a": 0.5, "b": 0.5})
    assert Settings.from_json({"prompt": "x"}, ["a"]) == Settings("x")


BAD = [
    ([], TypeError, "settings: must be an object"),
    ({}, ValueError, "must hold a prompt"),
    ({"prompt": 1}, TypeError, "prompt: must be a str"),
    ({"prompt": "\ud800"}, ValueError, "surrogate"),
    ({"prompt": "", "top": 1}, ValueError, "unknown field 'top'"),
    ({"prompt": "", "alpha": [1]}, TypeError, "alpha: must be an object"),
    ({"prompt": "", "alpha": {"c": 1}}, ValueError, "unknown attribute 'c'"),
    ({"prompt": "", "alpha": {"a": "1"}}, TypeError, r"alpha\['a'\]: must be a number"),
    ({"prompt": "", "alpha": {"a": float("nan")}}, ValueError, "must be finite"),
    ({"prompt": "", "alpha": {"a": 1}, "lam": {"b": 1}}, ValueError, "lam: names 'b'"),
    ({"prompt": "", "max_new_tokens": 0}, ValueError, "max_new_tokens: must lie in"),
    ({"prompt": "", "max_new_tokens": 10**30}, ValueError, "max_new_tokens: must lie in"),
    ({"prompt": "", "max_new_tokens": 1.5}, TypeError, "max_new_tokens: must be an int"),
    ({"prompt": "", "temperature": -1}, ValueError, "temperature: must be at least 0"),
    ({"prompt": "", "temperature": None}, TypeError, "temperature: must be a number"),
    ({"prompt": "", "temperature": 10**400}, ValueError, "temperature: must fit a double"),
    ({"prompt": "", "alpha": {"a": -(10**400)}}, ValueError, "must fit a double"),
    ({"prompt": "", "top_p": 0}, ValueError, r"top_p: must lie in \(0, 1\]"),
    ({"prompt": "", "top_p": 1.5}, ValueError, "top_p: must lie in"),
    ({"prompt": "", "top_p": "1"}, TypeError, "top_p: must be a number"),
    ({"prompt": "", "samples": 0}, ValueError, "samples: must lie in"),
    ({"prompt": "", "samples": MAX_SAMPLES + 1}, ValueError, "samples: must lie in"),
    ({"prompt": "", "samples": 2.5}, TypeError, "samples: must be an int"),
    ({"prompt": "", "seed": -1}, ValueError, "seed: must be in"),
    ({"prompt": "", "seed": True}, TypeError, "seed: must be an int"),
]


@pytest.mark.parametrize(("data", "error", "message"), BAD, ids=[b[2] for b in BAD])
def test_bad_settings_are_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Settings.from_json(data, ["a", "b"])


@pytest.mark.parametrize("number", ["1e999", "-1e999", "Infinity", "-Infinity", "NaN"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    """JSON, as Python reads it, has infinities: every field that takes a number turns them away."""
    fields = ("max_new_tokens", "temperature", "top_p", "seed", "samples")
    bodies = [f'"{name}": {number}' for name in fields]
    bodies += [f'"alpha": {{"a": {number}}}', f'"alpha": {{"a": 1}}, "lam": {{"a": {number}}}']
    bodies += [f'"alpha": {number}', f'"lam": {number}']
    for body in bodies:
        with pytest.raises((ValueError, TypeError), match=r": must be .*got (float )?-?(inf|nan)"):
            Settings.from_json(json.loads(f'{{"prompt": "", {body}}}'), ["a"])


def test_the_code_gives_the_texts_again(session: Session) -> None:
    for changes in ({}, {"temperature": 0}, {"point": Point()}, {"top_p": 0.5, "samples": 1}):
        found = shown(session.start(settings(**changes)))
        texts = eval(found.code, {"lm": session.lm}).texts
        assert texts[0] == found.texts["point"]
        assert len(texts) == (8 if changes in ({}, {"point": Point()}) else 1)


class Asked:
    """A model that remembers what `generate` was asked."""

    def __init__(self, lm: contlm.Interpolator) -> None:
        self.lm = lm
        self.calls: list[dict[str, Any]] = []
        self.made: list[contlm.Generation] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lm, name)

    def generate(self, prompts: list[str], **options: Any) -> contlm.Generation:
        self.calls.append({"prompts": prompts, **options})
        self.made.append(self.lm.generate(prompts, **options))
        return self.made[-1]


def test_sampling_reaches_generate(lm: contlm.Interpolator) -> None:
    asked: Any = Asked(lm)
    session = Session(asked)
    for changes in ({"temperature": 0.5, "top_p": 0.8}, {"temperature": 0, "top_p": 0.8}):
        list(session.start(settings(**changes)))
    warm, greedy = asked.calls
    assert warm["temperature"] == 0.5 and warm["top_p"] == 0.8 and "do_sample" not in warm
    assert greedy["do_sample"] is False and "temperature" not in greedy


# -- session --------------------------------------------------------------------------------------


def test_events_of_a_run(session: Session) -> None:
    events = list(session.start(settings(max_new_tokens=60, samples=6)))
    found = shown(events)
    assert events[-1] == Done(6) and [type(e) for e in events].count(Done) == 1
    assert streamed(events) == found.texts
    assert set(found.finish_reasons) == {"base", "point"} and found.stats["rows"] == 2
    # the shown text by itself, then 4 and 1 more: the batches that classifiers read
    after = events[events.index(found) + 1 :]
    counts = [e.samples for e in after if isinstance(e, Scores) and e.attribute == "humor"]
    assert counts == [1, 5, 6]
    json.dumps([event_json(e) for e in events], allow_nan=False)


def test_scores_are_means_over_samples_of_one_seed(
    lm: contlm.Interpolator, classifiers: dict[str, contlm.Classifier]
) -> None:
    asked: Any = Asked(lm)
    chosen = settings(samples=6)
    events = list(Session(asked, classifiers).start(chosen))
    first, rest = asked.calls
    assert "num_return_sequences" not in first and rest["num_return_sequences"] == 6
    assert rest["point"] == first["point"] == [Point(), chosen.point]
    # common random numbers: both sides and the shown texts are the first of one call each
    for side, point in (("base", Point()), ("point", chosen.point)):
        options = {"point": point, "max_new_tokens": 12, "seed": 3, "num_return_sequences": 6}
        texts = lm.generate(PROMPT, **options).texts
        assert texts[0] == shown(events).texts[side]
        for name, classifier in classifiers.items():
            last = [e for e in events if isinstance(e, Scores) and e.attribute == name][-1]
            values = classifier.score(texts)
            assert last.samples == 6
            assert last.means[side] == pytest.approx(values.mean(), abs=1e-6)
            error = np.std(values, ddof=1) / np.sqrt(6)
            assert last.errors[side] == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("changes", [{"samples": 1}, {"temperature": 0}])
def test_one_text_has_no_error(
    lm: contlm.Interpolator, classifiers: Any, changes: dict[str, Any]
) -> None:
    asked: Any = Asked(lm)
    events = list(Session(asked, classifiers).start(settings(**changes)))
    assert events[-1] == Done(1) and len(asked.calls) == 1
    found = [e for e in events if isinstance(e, Scores)]
    assert found and all(e.samples == 1 and np.isnan(list(e.errors.values())).all() for e in found)
    assert event_json(found[-1])["errors"] == {"base": None, "point": None}


def test_without_classifiers_nothing_more_is_sampled(lm: contlm.Interpolator) -> None:
    asked: Any = Asked(lm)
    assert list(Session(asked).start(settings()))[-1] == Done(1)
    assert len(asked.calls) == 1


def test_cancelling_stops_the_sampling(lm: contlm.Interpolator, classifiers: Any) -> None:
    asked: Any = Asked(lm)
    session = Session(asked, classifiers)
    run = session.start(settings(max_new_tokens=300, samples=MAX_SAMPLES))
    for event in (events := iter(run)):
        if isinstance(event, Shown):
            break
    run.cancel()
    assert list(events) == [] and run.join(5)
    assert len(asked.made) == 1  # the second call never gave its texts
    assert isinstance(list(session.start(settings()))[-1], Done)


def test_an_error_while_sampling_is_the_last_event(
    lm: contlm.Interpolator, classifiers: Any
) -> None:
    class Tired(Asked):
        def generate(self, prompts: list[str], **options: Any) -> contlm.Generation:
            if self.calls:
                raise MemoryError
            return super().generate(prompts, **options)

    tired: Any = Tired(lm)
    events = list(Session(tired, classifiers).start(settings()))
    assert shown(events) and events[-1] == Failed("MemoryError")


def test_the_perplexity_is_the_bases(session: Session) -> None:
    found = shown(session.start(settings()))
    out = session.lm.generate([PROMPT] * 2, point=[Point(), settings().point],
                              max_new_tokens=12, seed=3)  # fmt: skip
    ids = session.lm.tokenizer.encode(PROMPT)
    expected = session.lm.conditional_perplexity([ids] * 2, out.token_ids)
    np.testing.assert_allclose(list(found.perplexity.values()), expected, rtol=1e-3)
    assert not found.gibberish


def test_an_extreme_point_is_gibberish(session: Session) -> None:
    far = shown(session.start(settings(point=Point({"sentiment": 8}), max_new_tokens=40)))
    assert far.gibberish
    assert far.perplexity["point"] > FAR_OFF_FACTOR * far.perplexity["base"]


def test_perplexity_behind_an_empty_prompt(lm: contlm.Interpolator) -> None:
    out = lm.generate("", seed=1, max_new_tokens=8)
    expected = lm.conditional_perplexity([""], out.texts)
    np.testing.assert_allclose(base_perplexity(lm, "", out.token_ids), expected, rtol=1e-3)

    class Startless(Asked):
        class tokenizer:
            encode = staticmethod(lambda text: [])

    # where nothing stands before a text, its first token is given rather than predicted
    startless: Any = Startless(lm)
    rest, one = base_perplexity(startless, "", [out.token_ids[0], [5]])
    first = out.token_ids[0][:1]
    assert rest == pytest.approx(lm.conditional_perplexity([first], [out.token_ids[0][1:]])[0])
    assert np.isnan(one)


@pytest.mark.parametrize(
    ("base", "point", "far"),
    [
        (FAR_OFF_FLOOR / FAR_OFF_FACTOR, FAR_OFF_FLOOR, True),
        (FAR_OFF_FLOOR, FAR_OFF_FACTOR * FAR_OFF_FLOOR - 1, False),
        (1.0, FAR_OFF_FLOOR - 1, False),
        (float("nan"), 1e6, False),
        (2.0, float("nan"), False),
        (2.0, float("inf"), True),
    ],
)
def test_what_is_far_off(base: float, point: float, far: bool) -> None:
    assert far_off({"base": base, "point": point}) is far


def test_the_texts_are_those_of_generate(session: Session) -> None:
    chosen = settings(max_new_tokens=30)
    found = shown(session.start(chosen))
    options = {"max_new_tokens": 30, "seed": 3}
    assert found.texts["base"] == session.lm.generate(PROMPT, **options).texts[0]
    steered = session.lm.generate(PROMPT, point=chosen.point, **options)
    assert found.texts["point"] == steered.texts[0]


def test_the_same_settings_give_the_same_events_texts(session: Session) -> None:
    first, second = (list(session.start(settings())) for _ in range(2))
    assert shown(first).texts == shown(second).texts
    assert [e for e in first if isinstance(e, Scores)][-2:] == [
        e for e in second if isinstance(e, Scores)
    ][-2:]


@pytest.mark.parametrize("point", [Point(), Point({"sentiment": 1}, {"sentiment": 0})])
def test_a_point_that_is_the_base_gives_the_bases_text(session: Session, point: Point) -> None:
    events = list(session.start(settings(point=point)))
    found = shown(events)
    assert streamed(events) == found.texts and found.texts["base"] == found.texts["point"]
    last = [e for e in events if isinstance(e, Scores)][-1]
    assert last.samples == 8 and last.means["base"] == last.means["point"]


def test_cancelling_stops_the_native_call(session: Session) -> None:
    run = session.start(settings(**LONG))
    events = iter(run)
    assert isinstance(next(events), Text)
    run.cancel()
    assert not any(isinstance(e, Done | Failed) for e in events)
    assert run.join(5)
    run.cancel()
    # the model is whole afterwards
    assert isinstance(list(session.start(settings()))[-1], Done)


def test_dropping_the_iterator_cancels(endless: Any) -> None:
    run = Session(endless).start(settings(**LONG))
    for _ in run:
        break
    assert run.join(5) and endless.stopped.is_set()


def test_a_cancelled_run_does_not_take_its_turn(endless: Any) -> None:
    session = Session(endless, concurrent=1)
    first = session.start(settings(**LONG))
    waiting, last = session.start(settings(**LONG)), session.start(settings())
    waiting.cancel()
    assert list(waiting) == [] and not first.join(0.1) and not last.join(0)
    first.cancel()
    assert isinstance(list(last)[-1], Done)
    assert first.join(5) and waiting.join(5)


def test_close_ends_every_run(endless: Any) -> None:
    session = Session(endless, concurrent=2)
    runs = [session.start(settings(**LONG)) for _ in range(4)]
    session.close()
    assert all(run.join(0) for run in runs)


def test_an_error_of_the_model_is_the_last_event(session: Session) -> None:
    (failed,) = session.start(settings(max_new_tokens=10_000))
    assert isinstance(failed, Failed) and "fit the context" in failed.message


def test_an_error_of_a_classifier_is_the_last_event(lm: contlm.Interpolator) -> None:
    class Broken:
        def score(self, texts: list[str]) -> list[float]:
            raise RuntimeError("no more")

    events = list(Session(lm, {"tone": Broken()}).start(settings()))  # type: ignore[dict-item]
    assert events[-1] == Failed("RuntimeError: no more")


def test_scores_come_while_text_is_written(lm: contlm.Interpolator) -> None:
    class Slow:
        def score(self, texts: list[str]) -> list[float]:
            time.sleep(0.05)
            return [float("nan")] * (len(texts) // 2) + [0.5] * (len(texts) // 2)

    class SlowModel(Asked):
        def generate(self, prompts: list[str], *, streamer: Any, **_: Any) -> contlm.Generation:
            for _step in range(20):
                for row in range(2):
                    streamer.put(row, "word ")
                time.sleep(0.05)
            streamer.end()
            whole = "word " * 20
            return contlm.Generation([[], []], [whole] * 2, [0, 1], [None] * 2, ["eos"] * 2, {})

    slow: Any = SlowModel(lm)
    events = list(Session(slow, {"tone": Slow()}).start(settings(samples=1)))  # type: ignore[dict-item]
    kinds = [e.kind for e in events]
    first = kinds.index("scores")
    assert "text" in kinds[first:] and kinds.count("scores") >= 3
    assert event_json(events[first])["means"] == {"base": None, "point": 0.5}
    assert streamed(events) == shown(events).texts
    assert event_json(shown(events))["perplexity"] == {"base": None, "point": None}


def test_what_a_session_needs(lm: contlm.Interpolator) -> None:
    with pytest.raises(TypeError, match="classifiers: must be a dict"):
        make_session(lm, classifiers=["sentiment"])  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="classifier"):
        make_session(lm, classifiers={"sentiment": "/nowhere/at/all"})
    with pytest.raises(ValueError, match="unknown attribute 'tone'"):
        make_session(lm, alpha={"tone": 1})
    with pytest.raises(ValueError, match="a plain number stands for the only attribute"):
        make_session(lm, alpha=0.5)


def test_a_model_brings_its_own(lm: contlm.Interpolator) -> None:
    session = make_session(lm)
    assert set(session.classifiers) == set(lm.attributes)
    assert session.initial.prompt in zoo.prompts()
    assert make_session(lm, classifiers={}).classifiers == {}

    class Other(Asked):
        companions: Companions | None = None

    bare: Any = Other(lm)
    assert make_session(bare).classifiers == {} and make_session(bare).initial.prompt
    bare.companions = Companions("Once", {"humor": zoo.classifier_path("humor")})
    session = make_session(bare)
    assert session.initial.prompt == "Once" and list(session.classifiers) == ["humor"]


def test_explore_stands_below_the_zoo_and_the_interpolator() -> None:
    room = Path(contlm.__file__).parent / "explore"
    for file in room.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            assert not any(n.startswith(("contlm.zoo", "contlm.interpolator")) for n in names), file


def test_one_attribute_by_a_plain_number(text_lm: contlm.Interpolator) -> None:
    session = make_session(text_lm, PROMPT, alpha=0.5)
    assert session.classifiers == {} and session.initial.to_json()["lam"] == {"tone": 1.0}
    *_, done = session.start(Settings(PROMPT, Point(0.5), 4))
    assert done == Done(1)


def test_a_model_without_tokenizer_is_refused(lm: contlm.Interpolator) -> None:
    class Mute:
        tokenizer = None

    with pytest.raises(ValueError, match="explore: needs a tokenizer"):
        Session(Mute())  # type: ignore[arg-type]


# -- the notebook's face --------------------------------------------------------------------------


class Notebook:
    """What a view would see of a widget, and say to it."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        widget.send = lambda content, buffers=None: self.heard.put(content)

    def say(self, message: Any) -> None:
        self.widget._handle_custom_msg(message, [])

    def events(self, run: str) -> list[dict[str, Any]]:
        found = []
        while not found or found[-1]["kind"] not in ("done", "error"):
            message = self.heard.get(timeout=20)
            if message["run"] == run:
                found.append(message["event"])
        return found


@pytest.fixture()
def notebook(endless: Any, classifiers: Any) -> Iterator[Notebook]:
    pytest.importorskip("anywidget")
    begin = {"alpha": {"sentiment": 1.5}, "max_new_tokens": 8, "seed": 2}
    widget = contlm.Interpolator.explore(endless, PROMPT, classifiers, **begin)
    yield Notebook(widget)
    widget.close()


def test_the_widget_writes_what_generate_writes(notebook: Notebook) -> None:
    widget = notebook.widget
    notebook.say({"run": "a", "settings": widget.settings})
    events = notebook.events("a")
    assert {e["kind"] for e in events} == {"text", "shown", "scores", "done"}
    assert widget.point == Point({"sentiment": 1.5})
    lm = widget._session.lm
    expected = lm.generate(PROMPT, point=widget.point, max_new_tokens=8, seed=2).texts[0]
    (found,) = (e for e in events if e["kind"] == "shown")
    assert found["texts"]["point"] == expected


def test_the_widget_where_nothing_draws_it(notebook: Notebook) -> None:
    widget = notebook.widget
    assert "sentiment" in repr(widget) and len(repr(widget)) < 300 and "\n" not in repr(widget)
    bundle = widget._repr_mimebundle_()[0]
    assert bundle["text/plain"].startswith("ExploreWidget(")
    widget.set_state({"settings": {**widget.settings, "prompt": "<b>&", "alpha": {}, "lam": None}})
    page = widget._repr_html_()
    assert "lm.generate(" in page and "&lt;b&gt;&amp;" in page and "<b>&" not in page


def test_the_widgets_point_follows_the_sliders(notebook: Notebook) -> None:
    moved = {**notebook.widget.settings, "alpha": {"humor": 2}, "lam": None}
    notebook.widget.set_state({"settings": moved})
    assert notebook.widget.point == Point({"humor": 2.0})


def test_a_new_run_of_the_widget_ends_the_one_before(notebook: Notebook) -> None:
    long = {**notebook.widget.settings, **LONG}
    notebook.say({"run": "old", "settings": long})
    old = notebook.widget._run
    notebook.say({"run": "new", "settings": notebook.widget.settings})
    assert notebook.events("new")[-1]["kind"] == "done"
    assert old.join(5) and notebook.widget._session.lm.stopped.is_set()


def test_the_widget_cancels(notebook: Notebook) -> None:
    notebook.say({"run": "a", "settings": {**notebook.widget.settings, **LONG}})
    notebook.say({"run": "another", "cancel": True})
    assert not notebook.widget._run.join(0.1)
    notebook.say({"run": "a", "cancel": True})
    assert notebook.widget._run.join(5)


def test_errors_are_told_to_the_view(notebook: Notebook) -> None:
    notebook.say({"run": "a", "settings": {"prompt": "", "seed": -1}})
    assert "seed: must be in" in notebook.events("a")[-1]["message"]
    notebook.say({"run": "i", "settings": {"prompt": "", "temperature": float("inf")}})
    assert "temperature: must be finite" in notebook.events("i")[-1]["message"]
    notebook.say({"run": "b", "settings": {**notebook.widget.settings, "max_new_tokens": 9999}})
    assert "fit the context" in notebook.events("b")[-1]["message"]
    for nonsense in (None, [], "run", {}, {"settings": {}}):
        notebook.say(nonsense)
    notebook.say({"run": "c", "settings": "nonsense"})
    assert "must be an object" in notebook.events("c")[-1]["message"]


@pytest.mark.parametrize("gone", ["anywidget", "traitlets"])
def test_without_the_extra_the_widget_says_so(
    lm: contlm.Interpolator, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, gone, None)
    monkeypatch.delitem(sys.modules, "contlm.explore.widget", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf"{gone}.*pip install 'contlm\[explore\]'"):
        lm.explore(PROMPT, {})


# -- the page's face ------------------------------------------------------------------------------


class Client:
    """The page's server, and a visitor who may leave out what the browser would send."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.netloc, self.query = parts.netloc, parts.query
        self.token = parts.query.removeprefix("token=")

    stop: Callable[[], None]

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str | None
    ) -> tuple[int, dict[str, str], str]:
        with contextlib.closing(http.client.HTTPConnection(self.netloc, timeout=20)) as connection:
            connection.putrequest(method, path, skip_host=True)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
            own = {"Host": self.netloc, "Content-Length": str(len(raw))}
            if method == "POST":
                own |= {"Content-Type": "application/json", "X-Contlm-Token": self.token}
            changed = {name.replace("_", "-"): value for name, value in headers.items()}
            for name, value in (own | changed).items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(raw)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def run(self, **body: Any) -> list[dict[str, Any]]:
        status, headers, text = self.ask("POST", "/run", {"prompt": PROMPT, **body})
        assert status == 200 and headers["content-type"].startswith("application/x-ndjson"), text
        return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def serving(session: Session, host: str = "127.0.0.1") -> Iterator[Client]:
    """The server in a thread of this process; it is told to end as Ctrl-C tells it."""
    pytest.importorskip("uvicorn")
    import uvicorn
    from contlm.explore import server

    made: list[uvicorn.Server] = []

    class Kept(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            made.append(self)

    addresses: queue.Queue[str] = queue.Queue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.uvicorn, "Server", Kept)
        arguments = (session, host, 0, addresses.put)
        thread = threading.Thread(target=server.serve, args=arguments)
        thread.start()
        client = Client(addresses.get(timeout=20))
    client.stop = lambda: setattr(made[0], "should_exit", True)
    try:
        yield client
    finally:
        client.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def client(lm: contlm.Interpolator, classifiers: dict[str, contlm.Classifier]) -> Iterator[Client]:
    with serving(make_session(lm, "</script><b>", classifiers, concurrent=2)) as found:
        yield found


def test_the_page_is_whole_and_closed(client: Client) -> None:
    status, headers, text = client.ask("GET", f"/?{client.query}")
    assert status == 200 and headers["content-type"].startswith("text/html")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
    assert "</script><b>" not in text and "\\u003c/script>" in text
    assert "{{" not in text.partition("<script")[0] and "http://127" not in text
    other = client.ask("GET", f"/?{client.query}")[1]["content-security-policy"]
    assert other != policy  # a nonce is used once


def test_the_server_streams_a_run(client: Client, lm: contlm.Interpolator) -> None:
    events = client.run(alpha={"sentiment": 1}, max_new_tokens=20, seed=4)
    assert events[-1] == {"kind": "done", "samples": 8}
    (found,) = (e for e in events if e["kind"] == "shown")
    pieces = [e["pieces"].get("point", "") for e in events if e["kind"] == "text"]
    expected = lm.generate(PROMPT, alpha={"sentiment": 1}, max_new_tokens=20, seed=4).texts[0]
    assert "".join(pieces) == found["texts"]["point"] == expected
    assert {e["attribute"] for e in events if e["kind"] == "scores"} == {"sentiment", "humor"}


def test_errors_of_a_run_are_events(client: Client) -> None:
    (event,) = client.run(max_new_tokens=9999)
    assert event["kind"] == "error" and "fit the context" in event["message"]


def test_concurrent_requests(client: Client) -> None:
    def ask(seed: int) -> list[dict[str, Any]]:
        return client.run(alpha={"humor": 1}, max_new_tokens=16, seed=seed)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, [1, 2, 3, 1, 2, 3]))
    texts = [next(e for e in events if e["kind"] == "shown")["texts"] for events in found]
    assert texts[:3] == texts[3:] and texts[0] != texts[1]


FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "evil.example@[::1"},
    {"Host": None},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"X_Contlm_Token": None},
    {"X_Contlm_Token": "guess"},
    {"X_Contlm_Token": "\xff"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_strangers_are_refused(client: Client, headers: dict[str, str | None]) -> None:
    # a request without any Host is no HTTP/1.1, which the server itself refuses: it closes before
    # it reads a body, whose rest would reset the connection under the answer
    hostless = headers == {"Host": None}
    status, _, text = client.ask(
        "POST", "/run", None if hostless else {"prompt": PROMPT}, **headers
    )
    assert status == (400 if hostless else 403)
    assert "texts" not in text


def test_the_page_needs_its_token_and_its_host(client: Client) -> None:
    for path, headers in (
        ("/", {}),
        ("/?token=guess", {}),
        ("/favicon.ico", {}),
        (f"/?{client.query}", {"Host": "evil.example"}),
    ):
        status, _, text = client.ask("GET", path, **headers)
        assert status == 403 and "<html" not in text


def test_the_pages_own_requests_pass(client: Client) -> None:
    for host in (client.netloc, f"localhost:{urlsplit('//' + client.netloc).port}"):
        own = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
        body = {"prompt": PROMPT, "max_new_tokens": 1}
        assert client.ask("POST", "/run", body, **own)[0] == 200


BODIES = [
    (b"", {}, "must be JSON"),
    (b"{", {}, "must be JSON"),
    (b"\xff\xfe\xfd", {}, "must be JSON"),
    (b"[" * 100_000, {}, "must be JSON"),
    (b"[]", {}, "must be an object"),
    (b'{"prompt": "a", "seed": NaN}', {}, "seed: must be an int"),
    (b'{"prompt": "a", "temperature": 1e999}', {}, "temperature: must be finite, got inf"),
    (b'{"prompt": "a", "top_p": -Infinity}', {}, "top_p: must be finite, got -inf"),
    (b'{"prompt": "a", "samples": 1e999}', {}, "samples: must be an int"),
    (b'{"prompt": "a", "alpha": {"humor": 1e999}}', {}, "must be finite, got inf"),
    (b'{"prompt": "a", "alpha": {"humor": 1' + b"0" * 400 + b"}}", {}, "must fit a double"),
    (b'{"prompt": "a", "max_new_tokens": 1' + b"0" * 5000 + b"}", {}, "must be JSON"),
    (b'{"prompt": "\\ud800"}', {}, "surrogate"),
    (b'{"prompt": "' + b"a" * 300_000 + b'"}', {}, "shorten the prompt"),
    (b'{"prompt": "a"}', {"Content_Type": "text/plain"}, "content-type"),
]


@pytest.mark.parametrize(("body", "headers", "message"), BODIES, ids=range(len(BODIES)))
def test_bad_bodies_are_refused(
    client: Client, body: bytes, headers: dict[str, str], message: str
) -> None:
    status, _, text = client.ask("POST", "/run", body, **headers)
    assert status == 400 and message in json.loads(text)["error"]


def test_other_paths_and_methods_are_not_there(client: Client) -> None:
    assert client.ask("GET", f"/static/panel.js?{client.query}")[0] == 404
    assert client.ask("GET", f"/run?{client.query}")[0] == 405
    assert client.ask("OPTIONS", "/run")[0] == 403


def test_a_visitor_who_leaves_ends_the_run(endless: Any) -> None:
    with serving(Session(endless, concurrent=1)) as client:
        body = json.dumps({"prompt": PROMPT, **LONG}).encode()
        connection = http.client.HTTPConnection(client.netloc, timeout=20)
        headers = {"Content-Type": "application/json", "X-Contlm-Token": client.token}
        connection.request("POST", "/run", body, headers)
        answer = connection.getresponse()
        assert answer.readline() and not endless.stopped.is_set()
        answer.close()
        connection.close()
        assert endless.stopped.wait(5)
        assert client.run(max_new_tokens=2)[-1]["kind"] == "done"


def test_the_server_ends_while_it_streams(endless: Any) -> None:
    with serving(Session(endless)) as client, ThreadPoolExecutor(1) as pool:
        cut = pool.submit(client.ask, "POST", "/run", {"prompt": PROMPT, **LONG})
        assert not endless.stopped.wait(0.3)
        client.stop()
        assert endless.stopped.wait(10)
        with pytest.raises((http.client.HTTPException, OSError)):
            cut.result(10)


@pytest.mark.parametrize(
    ("served", "header", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:80", True),
        ("127.0.0.1", "[::1]:80", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "192.168.0.7:80", False),
        ("127.0.0.1", "", False),
        ("box.example", "Box.example:80", True),
        ("box.example", "evil.example", False),
        ("0.0.0.0", "192.168.0.7:80", True),
        ("0.0.0.0", "[fe80::1]:80", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "", False),
        ("", "", False),
        ("127.0.0.1", "[::1", False),
    ],
)
def test_hosts(served: str, header: str, allowed: bool) -> None:
    pytest.importorskip("starlette")
    from contlm.explore.guard import host_allowed

    assert host_allowed(header, served) is allowed


# -- the command ----------------------------------------------------------------------------------


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    from contlm.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["explore", "--no-browser", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1 port {port}" in error and "--port" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classifier", "sentiment"], "--classifier: must be NAME=DIR"),
        (["--classifier", "sentiment=/nowhere/at/all"], "no directory"),
        (["--port", "70000"], "port: must be in"),
        (["--alpha", "tone=1"], "unknown attribute"),
        (["--alpha", "humor=1e999"], "must be finite"),
        (["--samples", "0"], "samples: must lie in"),
        (["--top-p", "1e999"], "top_p: must be finite"),
        (["--host", "256.0.0.1"], "cannot listen on 256.0.0.1"),
    ],
)
def test_mistakes_of_the_command(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from contlm.cli import main

    assert main(["explore", "--no-browser", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_the_extra_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contlm.cli import main

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "contlm.explore.server", raising=False)
    assert main(["explore", "--no-browser"]) == 2
    assert "pip install 'contlm[explore]'" in capsys.readouterr().err
