"""The core that the notebook's and the page's face share: settings in, events out, cancellable.

A run writes two texts with one `generate` call of two rows, the base model's and the point's. Both
draw the same random numbers (common random numbers), so where they differ it is the point's doing.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contlm.explore.events import SIDES, Done, Event, Scores, Text, failure
from contlm.explore.settings import ALPHA_RANGE, LAM_RANGE, Settings
from contlm.points.coefficients import coefficient_row
from contlm.points.point import Point

if TYPE_CHECKING:
    from contlm.model.classifier import Classifier
    from contlm.model.interpolated import InterpolatedModel

# Pieces wait this long for others: a view that draws faster than the eye sees gains nothing, and
# a notebook server drops messages that come by the thousand
_TEXT_INTERVAL_S = 0.03
# Scores of unfinished texts come at most this often, and take at most half of the time
_SCORE_INTERVAL_S = 0.25
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
            "settings": self.initial.to_json(),
        }


class Run:
    """One generation at one position of the controls; made by `Session.start`.

    Iterating it, once, gives `Text` and `Scores` events and ends with `Done` or `Failed`; after
    `cancel` it ends without either. Text is written in a thread of its own, so a slow listener or
    classifier does not hold it up.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        # kept whole: a session that is dropped cancels its runs
        self._session = session
        self._settings = settings
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="contlm-explore", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Ends the iteration at once and the generation at its next token; may be called from any
        thread, and again."""
        self._cancelled.set()
        self._events.put(None)

    def join(self, timeout: float | None = None) -> bool:
        """Waits until nothing is generated any more; False when the time was too short."""
        # a run may be dropped, and so stopped, in its own thread
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._live()
        finally:
            self.cancel()

    def _live(self) -> Iterator[Event]:
        """Events as they come; while none is there, one classifier at a time reads the texts."""
        texts = dict.fromkeys(SIDES, "")
        waiting: deque[str] = deque()
        round_began = time.monotonic()
        due = round_began + _SCORE_INTERVAL_S
        while not self._cancelled.is_set():
            try:
                event = self._events.get(block=not waiting)
            except queue.Empty:
                yield self._score(waiting.popleft(), texts)
                if not waiting:
                    now = time.monotonic()
                    due = now + max(_SCORE_INTERVAL_S, now - round_began)
                continue
            if event is None:
                return
            if isinstance(event, Done):
                yield from self._finish(event)
                return
            yield event
            if not isinstance(event, Text):
                return
            for side, piece in event.pieces.items():
                texts[side] += piece
            if not waiting and time.monotonic() >= due and all(t.strip() for t in texts.values()):
                waiting.extend(self._session.classifiers)
                round_began = time.monotonic()

    def _finish(self, done: Done) -> Iterator[Event]:
        for attribute in self._session.classifiers:
            if self._cancelled.is_set():
                return
            event = self._score(attribute, done.texts)
            yield event
            if not isinstance(event, Scores):
                return
        yield done

    def _score(self, attribute: str, texts: Mapping[str, str]) -> Event:
        try:
            values = self._session.classifiers[attribute].score([texts[side] for side in SIDES])
        except Exception as error:
            return failure(error)
        return Scores(attribute, dict(zip(SIDES, map(float, values), strict=True)))

    def _work(self) -> None:
        try:
            with self._session.turns:
                self._check()
                self._generate()
        except _Cancelled:
            pass
        # whatever went wrong belongs to the view, which has no other way to learn of it
        except Exception as error:
            self._events.put(failure(error))

    def _generate(self) -> None:
        settings = self._settings
        row = coefficient_row(settings.point, self._session.lm.attributes)
        # a point that is the base would be a second occurrence of the same row, with other numbers
        same = not np.any(row)
        points = [Point()] if same else [Point(), settings.point]
        pieces = _Pieces(self._events, self._check, same)
        out = self._session.lm.generate(
            [settings.prompt] * len(points), point=points, streamer=pieces, **settings.sampling()
        )
        rows = (0, 0) if same else (0, 1)
        self._events.put(
            Done(
                {side: out.texts[i] for side, i in zip(SIDES, rows, strict=True)},
                {side: out.finish_reasons[i] for side, i in zip(SIDES, rows, strict=True)},
                dict(out.stats),
                settings.code(),
            )
        )

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled


class _Cancelled(Exception):
    """Raised in the streamer: the engine gives up at the next token."""


class _Pieces:
    """The streamer of a run: gathers pieces and passes them on in small heaps."""

    def __init__(
        self, events: queue.SimpleQueue[Event | None], check: Callable[[], None], same: bool
    ) -> None:
        self._events = events
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
            self._events.put(Text(self._held))
        self._held = {}
        self._passed = time.monotonic()


def _stop(runs: weakref.WeakSet[Run]) -> None:
    living = list(runs)
    for run in living:
        run.cancel()
    for run in living:
        run.join(_JOIN_S)


def _bound(settings: Settings, lm: InterpolatedModel) -> Settings:
    return replace(settings, point=settings.point.bind(lm.attributes))
