"""Progress bars over the engine's callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

OnProgress: TypeAlias = Callable[[int, int], None]


@contextmanager
def token_bar(show: bool | OnProgress, what: str = "generating") -> Iterator[OnProgress | None]:
    """A callback(done, total) that moves a bar with tokens/s, or None when nothing is to be
    shown; a callable is passed on as it is."""
    if callable(show) or not show:
        yield show or None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="tok", unit_scale=True, desc=what, leave=False) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress


class WorkBar:
    """A bar over pieces of work that each have a share of all new tokens, with tokens/s and the
    time that is left.

    A piece is counted by the tokens that it may have at most; one that ends early gives the rest
    back, so that the rate is that of real tokens.
    """

    def __init__(self, bar: Any, pieces: int, finished: int) -> None:
        self._bar = bar
        self._pieces = pieces
        self._finished = finished
        self._begun = 0
        self._note()

    def moved(self, done: int, _total: int = 0) -> None:
        """`done` tokens of the piece that runs now."""
        if self._bar is not None:
            self._bar.update(done - self._begun)
            self._begun = done

    def finished(self, tokens: int, at_most: int) -> None:
        """The piece that ran is done, with `tokens` of the `at_most` that were expected."""
        self.moved(tokens)
        self._begun = 0
        self._finished += 1
        if self._bar is not None:
            self._bar.total -= at_most - tokens
            self._note()

    def _note(self) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"unit {self._finished} of {self._pieces}")


@contextmanager
def work_bar(
    show: bool, what: str, tokens: int, pieces: int, finished: int = 0
) -> Iterator[WorkBar]:
    """A WorkBar over `pieces`, of which `finished` were done before; `tokens` are those to come."""
    if not show:
        yield WorkBar(None, pieces, finished)
        return
    from tqdm.auto import tqdm

    with tqdm(total=tokens, unit="tok", unit_scale=True, desc=what) as bar:
        yield WorkBar(bar, pieces, finished)
