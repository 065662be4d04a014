"""The core that the notebook's and the page's face share: settings in, events out, cancellable.

A run writes two texts with one `generate` call of two rows, the base model's and the point's. Both
draw the same random numbers (common random numbers), so where they differ it is the point's doing.
One text says little of a point: a second call draws further samples at both, and the scores are
means over all of them.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from contlm.explore.events import SIDES, Done, Event, Scores, Shown, Text, failure
from contlm.explore.fluency import base_perplexity, far_off
from contlm.explore.settings import ALPHA_RANGE, LAM_RANGE, MAX_SAMPLES, Settings
from contlm.model.interpolated import InterpolatedModel
from contlm.points.coefficients import coefficient_row
from contlm.points.point import Point

if TYPE_CHECKING:
    from contlm.model.classifier import Classifier
    from contlm.model.generation import Generation

# Pieces wait this long for others: a view that draws faster than the eye sees gains nothing, and
# a notebook server drops messages that come by the thousand
_TEXT_INTERVAL_S = 0.03
# Scores of unfinished texts come at most this often, and take at most half of the time
_SCORE_INTERVAL_S = 0.25
# Samples of each side that a classifier reads together: many enough to fill its batch, few enough
# that the means move while the rest is read
_SCORED_TOGETHER = 4
_JOIN_S = 10.0


class Session:
    """A model, its classifiers and the settings that a view begins with.

    concurrent: runs that generate at once; the others wait for their turn. Runs know nothing of
        each other: who starts a new one cancels the one before.
    """

    def __init__(
        self,
        lm: InterpolatedModel,
        classifiers: Mapping[str, Classifier] | None = None,
        initial: Settings | None = None,
        concurrent: int = 1,
    ) -> None:
        if lm.tokenizer is None:
            raise ValueError("explore: needs a tokenizer and the model has none; give tokenizer=")
        self.lm = lm
        self.classifiers = dict(classifiers or {})
        self.initial = _bound(initial or Settings(), lm)
        self.turns = threading.Semaphore(concurrent)
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        # native code must not be running in a thread when the interpreter goes away
        weakref.finalize(self, _stop, self._runs)

    def start(self, settings: Settings) -> Run:
        """Begins to generate; iterate the run for its events."""
        run = Run(self, _bound(settings, self.lm))
        run.start()
        self._runs.add(run)
        return run

    def close(self) -> None:
        """Cancels every run and waits until none generates."""
        _stop(self._runs)

    def config(self) -> dict[str, Any]:
        """What a view needs to draw itself, as plain JSON values."""
        return {
            "model": self.lm.engine.model_type,
            "precision": f"{self.lm.dtype} on {self.lm.device}",
            "attributes": list(self.lm.attributes),
            "classifiers": list(self.classifiers),
            "context_length": self.lm.context_length,
            "alpha_range": list(ALPHA_RANGE),
            "lam_range": list(LAM_RANGE),
            "max_samples": MAX_SAMPLES,
            "settings": self.initial.to_json(),
        }


class Run:
    """One generation at one position of the controls; made by `Session.start`.

    Iterating it, once, gives `Text` and `Scores` events, `Shown` once both texts are whole, more
    `Scores` as samples are read, and ends with `Done` or `Failed`; after `cancel` it ends without
    either. Text is written in a thread of its own, so a slow listener or classifier does not hold
    it up.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        # kept whole: a session that is dropped cancels its runs
        self._session = session
        self._settings = settings
        self._made: queue.SimpleQueue[_Made | Exception] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="contlm-explore", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Ends the iteration at once and the generation at its next token; may be called from any
        thread, and again."""
        self._cancelled.set()
        self._made.put(_Cancelled())

    def join(self, timeout: float | None = None) -> bool:
        """Waits until nothing is generated any more; False when the time was too short."""
        # a run may be dropped, and so stopped, in its own thread
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __iter__(self) -> Iterator[Event]:
        try:
            for event in self._told():
                self._check()
                yield event
        except _Cancelled:
            pass
        # whatever went wrong belongs to the view, which has no other way to learn of it
        except Exception as error:
            yield failure(error)
        finally:
            self.cancel()

    def _told(self) -> Iterator[Event]:
        shown = yield from self._drafts()
        found = {name: np.empty((len(SIDES), 0)) for name in self._session.classifiers}
        texts = {side: [text] for side, text in shown.texts.items()}
        yield from self._read(texts, found)
        further = self._next()
        assert isinstance(further, _Further)
        for first in range(0, further.samples, _SCORED_TOGETHER):
            last = first + _SCORED_TOGETHER
            batch = {side: many[first:last] for side, many in further.texts.items()}
            yield from self._read(batch, found)
        yield Done(1 + further.samples)

    def _drafts(self) -> Generator[Event, None, Shown]:
        """The shown texts as they come; while nothing new is there, one classifier at a time reads
        them as they stand."""
        texts = dict.fromkeys(SIDES, "")
        waiting: deque[str] = deque()
        round_began = time.monotonic()
        due = round_began + _SCORE_INTERVAL_S
        while True:
            try:
                event = self._next(block=not waiting)
            except queue.Empty:
                drafts = {side: [text] for side, text in texts.items()}
                name = waiting.popleft()
                yield _scores(name, self._score(name, drafts))
                if not waiting:
                    now = time.monotonic()
                    due = now + max(_SCORE_INTERVAL_S, now - round_began)
                continue
            assert isinstance(event, Text | Shown)
            yield event
            if isinstance(event, Shown):
                return event
            for side, piece in event.pieces.items():
                texts[side] += piece
            if not waiting and time.monotonic() >= due and all(t.strip() for t in texts.values()):
                waiting.extend(self._session.classifiers)
                round_began = time.monotonic()

    def _read(
        self, texts: Mapping[str, Sequence[str]], found: dict[str, npt.NDArray[np.float64]]
    ) -> Iterator[Event]:
        """Adds what the classifiers say of `texts` to `found` (attribute -> scores [sides, n]), one
        after the other."""
        for name, before in found.items():
            found[name] = np.hstack([before, self._score(name, texts)])
            yield _scores(name, found[name])

    def _score(self, name: str, texts: Mapping[str, Sequence[str]]) -> npt.NDArray[np.float64]:
        """One classifier's scores [sides, n]."""
        flat = [text for side in SIDES for text in texts[side]]
        values = self._session.classifiers[name].score(flat)
        return np.asarray(values, dtype=np.float64).reshape(len(SIDES), -1)

    def _next(self, block: bool = True) -> _Made:
        """What the thread made next; raises what it failed with, and `_Cancelled`."""
        made = self._made.get(block=block)
        if isinstance(made, Exception):
            raise made
        return made

    def _work(self) -> None:
        try:
            with self._session.turns:
                self._check()
                self._generate()
        except Exception as error:
            self._made.put(error)

    def _generate(self) -> None:
        settings = self._settings
        row = coefficient_row(settings.point, self._session.lm.attributes)
        # a point that is the base would be a second occurrence of the same row, with other numbers
        same = not np.any(row)
        points = [Point()] if same else [Point(), settings.point]
        sides = dict(zip(SIDES, (0, 0) if same else (0, 1), strict=True))
        pieces = _Pieces(self._made, self._check, same)
        self._made.put(self._shown(self._continue(points, streamer=pieces), sides))
        samples = settings.distinct_samples if self._session.classifiers else 1
        further: dict[str, list[str]] = {side: [] for side in SIDES}
        if samples > 1:
            out = self._continue(
                points,
                num_return_sequences=samples,
                progress=lambda _done, _total: self._check(),
            )
            for side, at in sides.items():
                # the first of each is the shown one
                further[side] = out.texts[at * samples + 1 : (at + 1) * samples]
        self._made.put(_Further(further))

    def _continue(self, points: Sequence[Point], **options: Any) -> Generation:
        prompts = [self._settings.prompt] * len(points)
        return self._session.lm.generate(
            prompts, point=points, **self._settings.sampling(), **options
        )

    def _shown(self, out: Generation, rows: Mapping[str, int]) -> Shown:
        found = base_perplexity(self._session.lm, self._settings.prompt, out.token_ids)
        perplexity = {side: found[row] for side, row in rows.items()}
        return Shown(
            {side: out.texts[row] for side, row in rows.items()},
            {side: out.finish_reasons[row] for side, row in rows.items()},
            dict(out.stats),
            perplexity,
            far_off(perplexity),
            self._settings.code(),
        )

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled


class _Cancelled(Exception):
    """Raised in what `generate` calls back: the engine gives up at the next token."""


@dataclass(frozen=True)
class _Further:
    """The samples besides the shown ones: side -> texts, as many of each."""

    texts: dict[str, list[str]]

    @property
    def samples(self) -> int:
        return len(self.texts[SIDES[0]])


# What the thread of a run makes
_Made: TypeAlias = Text | Shown | _Further


class _Pieces:
    """The streamer of a run: gathers pieces and passes them on in small heaps."""

    def __init__(self, made: queue.SimpleQueue[Any], check: Callable[[], None], same: bool) -> None:
        self._made = made
        self._check = check
        self._sides = (SIDES,) if same else tuple((side,) for side in SIDES)
        self._held: dict[str, str] = {}
        self._passed = 0.0

    def put(self, row: int, text: str) -> None:
        self._check()
        for side in self._sides[row]:
            self._held[side] = self._held.get(side, "") + text
        if time.monotonic() - self._passed >= _TEXT_INTERVAL_S:
            self.end()

    def end(self) -> None:
        if self._held:
            self._made.put(Text(self._held))
        self._held = {}
        self._passed = time.monotonic()


def _scores(attribute: str, found: npt.NDArray[np.float64]) -> Scores:
    """Means of scores [sides, n] and their standard errors, sd / sqrt(n)."""
    samples = found.shape[1]
    errors = np.full(len(SIDES), np.nan)
    if samples > 1:
        errors = found.std(axis=1, ddof=1) / np.sqrt(samples)
    return Scores(attribute, _by_side(found.mean(axis=1)), _by_side(errors), samples)


def _by_side(values: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(SIDES, values.tolist(), strict=True))


def _stop(runs: weakref.WeakSet[Run]) -> None:
    living = list(runs)
    for run in living:
        run.cancel()
    for run in living:
        run.join(_JOIN_S)


def _bound(settings: Settings, lm: InterpolatedModel) -> Settings:
    return replace(settings, point=settings.point.bind(lm.attributes))
