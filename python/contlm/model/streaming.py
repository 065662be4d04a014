"""Text while it is generated: tokens decoded as they come, never half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from contlm.loading.tokenizer import Tokenizer


@runtime_checkable
class TextStreamer(Protocol):
    """What `streamer=` may be besides a callable: put(row, text) for every new piece, end() once at
    the end."""

    def put(self, row: int, text: str) -> None: ...
    def end(self) -> None: ...


Streamer: TypeAlias = TextStreamer | Callable[[int, str], None]


class RowDecoder:
    """Decodes one row's tokens as they come; the pieces add up to the text of all of them.

    Text is held back while it ends in U+FFFD, the sign of a character whose bytes are not all
    there. Each piece is decoded behind a few earlier tokens, so that spaces that a decoder strips
    at the start of a text stay.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._context = 0  # where decoding starts
        self._shown = 0  # tokens whose text was given
        self._text = ""

    def push(self, token: int) -> str:
        self._ids.append(token)
        before = self._tokenizer.decode(self._ids[self._context : self._shown])
        after = self._tokenizer.decode(self._ids[self._context :])
        if after.endswith("�") or len(after) <= len(before):
            return ""
        self._context, self._shown = self._shown, len(self._ids)
        piece = after[len(before) :]
        self._text += piece
        return piece

    def finish(self) -> str:
        """What was held back."""
        whole = self._tokenizer.decode(self._ids)
        return whole[len(self._text) :] if whole.startswith(self._text) else ""


class StreamFeed:
    """Passes the engine's (row, token) pairs to a streamer as text."""

    def __init__(
        self, streamer: Any, tokenizer: Tokenizer, rows: int, eos_token_ids: Sequence[int] = ()
    ) -> None:
        is_object = callable(getattr(streamer, "put", None)) and callable(
            getattr(streamer, "end", None)
        )
        if not is_object and not callable(streamer):
            raise TypeError(
                "streamer: must be a callable(row, text) or have put(row, text) and end(), got "
                f"{type(streamer).__name__}"
            )
        self._put = streamer.put if is_object else streamer
        self._end = streamer.end if is_object else None
        self._silent = frozenset(eos_token_ids)
        self._decoders = [RowDecoder(tokenizer) for _ in range(rows)]

    def on_tokens(self, tokens: Sequence[tuple[int, int]]) -> None:
        for row, token in tokens:
            if token in self._silent:
                continue
            piece = self._decoders[row].push(token)
            if piece:
                self._put(row, piece)

    def end(self) -> None:
        for row, decoder in enumerate(self._decoders):
            rest = decoder.finish()
            if rest:
                self._put(row, rest)
        if self._end is not None:
            self._end()
