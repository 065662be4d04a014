"""What a model says of tokens that are known: logits and perplexities at a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from contlm.broadcast import Weighting, stand
from contlm.perplexity import Corpus, Losses, conditional_perplexity, joined, perplexity
from contlm.point import Point
from contlm.progress import token_bar
from contlm.prompts import int_matrix
from contlm.standing import Standing


class Scoring(Standing):
    """Logits and perplexities."""

    def logits(
        self,
        input_ids: Any,
        attention_mask: Any = None,
        *,
        alpha: Weighting | None = None,
        lam: Weighting | None = None,
        point: Point | Sequence[Point] | None = None,
        coeffs: npt.ArrayLike | None = None,
        mode: str = "auto",
    ) -> torch.Tensor:
        """Logits [B, T, V] float32 of input_ids [B, T] at a point, or at one point a row.

        attention_mask: [B, T], 0 on padding; positions come from it, so left and right padding give
        the same logits for the tokens that are there. ValueError for ids outside the vocabulary and
        for rows past the context length.
        """
        ids = int_matrix("input_ids", input_ids)
        mask = None if attention_mask is None else int_matrix("attention_mask", attention_mask)
        if mask is not None and mask.shape != ids.shape:
            raise ValueError(
                f"attention_mask: must have the shape of input_ids {list(ids.shape)}, got "
                f"{list(mask.shape)}"
            )
        rows, _ = stand(self._attributes, ids.shape[0], alpha, lam, point, coeffs)
        return self._engine.logits(ids, mask, rows, mode)

    def perplexity(
        self,
        text_or_ids: Corpus,
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        max_length: int | None = None,
        stride: int = 512,
        protocol: str = "paper",
        mode: str = "auto",
        progress: bool = False,
    ) -> float:
        """Perplexity of a text at a point; no point: of the base model.

        text_or_ids: a str, a list of str (documents, joined by a blank line), or token ids [T].
        max_length: tokens of a window; None: the model's context. stride: tokens from one window's
            start to the next one's.
        protocol: "paper": windows of max_length every stride tokens, exp of the mean over windows
            of each one's mean loss over its new tokens (windows without any are left out, so a
            short last window weighs as much as a long one). "token": the same windows, exp of the
            mean loss a token. "word": exp of a document's whole loss over its words (split on
            white space), every document behind the bos or eos token, in windows that do not
            overlap; stride is not used (lm-evaluation-harness's word_perplexity).

        ValueError for a text of fewer than 2 tokens and for options out of range.
        """
        ids = self._source.eos_token_ids
        bos = self._source.bos_token_id
        return perplexity(
            text_or_ids,
            self.tokenizer,
            bos if bos is not None else next(iter(ids), None),
            self.context_length,
            self._losses(alpha, lam, point, mode, progress),
            (max_length, stride, protocol),
        )

    def conditional_perplexity(
        self,
        prompts: Sequence[str] | Sequence[Sequence[int]],
        texts: Sequence[str] | Sequence[Sequence[int]],
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        mode: str = "auto",
        progress: bool = False,
    ) -> npt.NDArray[np.float64]:
        """[N]: perplexity of each text given its prompt, at a point; no point: under the base.

        prompts, texts: [N] str, or token-id lists. Text is tokenized as prompt + text, and the
        tokens past the prompt's own count (as DExperts judges generations under a larger model).
        NaN for an empty text.
        """
        return conditional_perplexity(
            *joined(prompts, texts, self.tokenizer, self._engine.vocab_size),
            self._losses(alpha, lam, point, mode, progress),
        )

    def _losses(
        self,
        alpha: Mapping[str, float] | float | None,
        lam: Mapping[str, float] | float | None,
        point: Point | None,
        mode: str,
        progress: bool,
    ) -> Losses:
        """-log p of targets at one point, on the engine."""
        row = stand(self._attributes, 1, alpha, lam, point, None)[0]

        def losses(sequences: list[list[int]], firsts: list[int]) -> npt.NDArray[np.float64]:
            rows = np.repeat(row, len(sequences), axis=0)
            with token_bar(progress, "scoring") as on_progress:
                nll = self._engine.target_nll(sequences, firsts, rows, mode, on_progress)
            return nll.numpy().astype(np.float64)

        return losses
