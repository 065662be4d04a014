"""What generate returns."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contlm.loading.tokenizer import Tokenizer
from contlm.points.point import Point, Weights

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ROWS = 10


@dataclass(frozen=True)
class GeneratedRow:
    """One generated row, as iterating over a Generation gives it."""

    prompt_index: int
    text: str | None
    token_ids: list[int]
    point: Point | None
    finish_reason: str


class Generation:
    """Generated rows, prompt-major and then return sequence.

    token_ids: new tokens only, with the end-of-sequence token where one was drawn.
    prompt_index: which prompt each row continues.
    points: the point of each row; None where it was given by coeffs or a schedule.
    finish_reasons: "eos" | "stop" (a stop string) | "length".
    stats: "mode", "rows", "prefill_tokens", "new_tokens", "merge_seconds", "prefill_seconds",
        "decode_seconds", "tokens_per_s" and "seed".
    """

    def __init__(
        self,
        token_ids: list[list[int]],
        texts: Sequence[str] | None,
        prompt_index: list[int],
        points: list[Point | None],
        finish_reasons: list[str],
        stats: dict[str, Any],
    ) -> None:
        self.token_ids = token_ids
        self.prompt_index = prompt_index
        self.points = points
        self.finish_reasons = finish_reasons
        self.stats = stats
        self._texts = None if texts is None else list(texts)

    @property
    def texts(self) -> list[str]:
        """The new text of each row, without special tokens. ValueError when the model has no
        tokenizer."""
        if self._texts is None:
            raise ValueError(
                "texts: the model has no tokenizer, so there are only token_ids; give tokenizer="
            )
        return self._texts

    def __len__(self) -> int:
        return len(self.token_ids)

    def __getitem__(self, row: int) -> GeneratedRow:
        return GeneratedRow(
            self.prompt_index[row],
            None if self._texts is None else self._texts[row],
            self.token_ids[row],
            self.points[row],
            self.finish_reasons[row],
        )

    def __iter__(self) -> Iterator[GeneratedRow]:
        return (self[row] for row in range(len(self)))

    def to_frame(self) -> pd.DataFrame:
        """One line per row: prompt_index, sample, alpha_*, lam_*, finish_reason, new_tokens and
        text."""
        import pandas as pd

        frame = pd.DataFrame({"prompt_index": self.prompt_index})
        frame["sample"] = frame.groupby("prompt_index").cumcount()
        for kind in ("alpha", "lam"):
            for attribute in self._attributes():
                frame[f"{kind}_{attribute}"] = [_value(p, kind, attribute) for p in self.points]
        frame["finish_reason"] = self.finish_reasons
        frame["new_tokens"] = [len(ids) for ids in self.token_ids]
        if self._texts is not None:
            frame["text"] = self._texts
        return frame

    def __repr__(self) -> str:
        speed = self.stats.get("tokens_per_s")
        head = f"Generation: {len(self)} rows, mode {self.stats.get('mode', '?')}" + (
            f", {speed:.0f} tokens/s" if speed else ""
        )
        lines = [
            f"  [{row.prompt_index}] {_label(row.point)}{self._content(row)}"
            for row in self._head()
        ]
        if len(self) > _SHOWN_ROWS:
            lines.append(f"  ... {len(self) - _SHOWN_ROWS} more")
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{row.prompt_index}</td><td>{html.escape(_label(row.point).strip())}</td>"
            f"<td style='text-align:left'>{html.escape(self._content(row))}</td>"
            f"<td>{html.escape(row.finish_reason)}</td></tr>"
            for row in self._head()
        )
        more = f"<p>{len(self) - _SHOWN_ROWS} more rows</p>" if len(self) > _SHOWN_ROWS else ""
        return (
            "<table><thead><tr><th>prompt</th><th>point</th><th>text</th><th>ended "
            "by</th></tr></thead>"
            f"<tbody>{cells}</tbody></table>{more}"
        )

    def _head(self) -> list[GeneratedRow]:
        return [self[row] for row in range(min(len(self), _SHOWN_ROWS))]

    @staticmethod
    def _content(row: GeneratedRow) -> str:
        return repr(row.text) if row.text is not None else str(row.token_ids)

    def _attributes(self) -> list[str]:
        named = (p.alpha for p in self.points if p is not None and isinstance(p.alpha, Weights))
        return list(dict.fromkeys(attribute for alpha in named for attribute in alpha))


def generation_of(
    token_ids: list[list[int]],
    reasons: list[str],
    stats: dict[str, Any],
    points: Sequence[Point | None],
    samples: int,
    tokenizer: Tokenizer | None,
) -> Generation:
    """What the engine returned, as a Generation. points: one per prompt, of `samples` rows each."""
    texts = None
    if tokenizer is not None:
        rows = zip(token_ids, reasons, strict=True)
        texts = tokenizer.decode_batch([ids[:-1] if why == "eos" else ids for ids, why in rows])
    index = [i for i in range(len(points)) for _ in range(samples)]
    return Generation(token_ids, texts, index, [points[i] for i in index], reasons, stats)


def _value(point: Point | None, kind: str, attribute: str) -> float:
    values = None if point is None else getattr(point, kind)
    if values is None:
        return float("nan")
    absent = 0.0 if kind == "lam" else float("nan")
    return float(values.get(attribute, absent))


def _label(point: Point | None) -> str:
    if point is None or not isinstance(point.alpha, Weights) or not isinstance(point.lam, Weights):
        return ""
    if not point.alpha:
        return "base: "
    shares = len(set(point.lam.values())) == 1 and abs(sum(point.lam.values()) - 1.0) < 1e-12
    parts = [
        f"{a}={v:g}" + ("" if shares else f" (lam {point.lam[a]:g})")
        for a, v in point.alpha.items()
    ]
    return ", ".join(parts) + ": "
