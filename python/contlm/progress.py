"""Progress bars over the engine's callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def token_bar(
    show: bool, what: str = "generating"
) -> Iterator[Callable[[int, int], None] | None]:
    """A callback(done, total) that moves a bar with tokens/s, or None when nothing is to be
    shown."""
    if not show:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="tok", unit_scale=True, desc=what, leave=False) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress
