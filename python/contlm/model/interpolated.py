"""A base model with its anchors, at any point: everything but the loops over many points."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from contlm._common.arguments import suggests_arguments
from contlm._common.checks import as_int, as_number, positive_or_zero
from contlm._common.notebook import fact_table
from contlm._common.progress import OnProgress, token_bar
from contlm._native import Engine, GenerateOptions, __version__
from contlm.loading import export
from contlm.loading.companions import Companions
from contlm.loading.fingerprint import model_fingerprint
from contlm.loading.model import LoadedModel, load_model
from contlm.loading.placement import saved_dtype
from contlm.loading.spec import Anchor, ModelSpec
from contlm.loading.tokenizer import Tokenizer
from contlm.model.generation import Generation, generation_of
from contlm.model.options import eos_ids, seed_of, stop_list
from contlm.model.perplexity import (
    DEFAULT_STRIDE,
    Corpus,
    Losses,
    conditional_perplexity,
    joined,
    perplexity,
)
from contlm.model.prompts import Prompts, encode_prompts, int_matrix
from contlm.model.streaming import Streamer, StreamFeed
from contlm.points.coefficients import anchor_names, coefficient_row
from contlm.points.point import Point
from contlm.points.resolve import (
    Floats,
    Schedule,
    Weighting,
    resolve_coefficients,
    resolve_points,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class InterpolatedModel:
    """A base model with two anchors per attribute; made by `from_pretrained`.

    A point is an argument of a call, never state: threads may generate at different points on one
    model.
    """

    def __init__(self, loaded: LoadedModel, *others: object, **options: object) -> None:
        if others or options or not isinstance(loaded, LoadedModel):
            name = type(self).__name__
            raise TypeError(
                f"{name}: is made by {name}.from_pretrained(model, attributes), not by calling it"
            )
        self._engine = loaded.engine
        self._base = loaded.base
        self._attributes = loaded.attributes
        self._spec = loaded.spec
        self._warnings = loaded.warnings
        self._token_bytes_lock = threading.Lock()
        self._has_token_bytes = False
        self.companions: Companions | None = None

    @classmethod
    @suggests_arguments
    def from_pretrained(
        cls,
        model: Any,
        attributes: Mapping[str, tuple[Anchor, Anchor]],
        *,
        tokenizer: Any = None,
        dtype: str | torch.dtype = "auto",
        device: str | torch.device = "auto",
        quantize: None = None,
        threads: int | None = None,
        max_rows: int | None = None,
    ) -> Self:
        """Opens a base model and its anchors.

        model: a directory, a hub id, a .gguf file (needs the extra `contlm[gguf]`), a
            transformers.PreTrainedModel, or a peft.PeftModel (whose base is taken; in-memory
            weights are referred to, not copied, and must not change afterwards).
        attributes: name -> (low, high), low at alpha = 0 and high at alpha = 1. Each is an
            adapter's directory, a hub id, the name of an adapter that `model` carries (looked for
            first), a peft.PeftModel with one active adapter, or (peft.PeftModel, the name of one
            of its adapters).
        tokenizer: a tokenizers.Tokenizer, a transformers tokenizer or a directory; None takes the
            model's own.
        dtype: what is computed in: "auto" (the checkpoint's, float16 widened), "float32" or
            "bfloat16".
        device: "auto" (CUDA when torch sees one), "cpu", "cuda", "cuda:1", ...
        quantize: only None in this version.
        threads, max_rows: CPU threads, and rows that decode together; None leaves the choice to the
            engine (128 rows, or fewer where their keys and values would take more than 2 GiB).

        What the adapter reader warns of is issued as UserWarning and kept in `.warnings`.
        FileNotFoundError for a path that is not there, CheckpointError and AdapterError
        (ValueErrors) for files that cannot be used.
        """
        if quantize is not None:
            raise ValueError(
                f"quantize: must be None in this version, got {quantize!r}; leave it out"
            )
        spec = ModelSpec(model, attributes, tokenizer, dtype, device, threads, max_rows)
        return cls.from_spec(spec)

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> Self:
        """Opens what another model's `.spec` names."""
        loaded = load_model(spec)
        for warning in loaded.warnings:
            # past from_pretrained and its check of keywords, to whoever opens the model
            warnings.warn(warning, UserWarning, stacklevel=4)
        return cls(loaded)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes' names."""
        return self._attributes

    @property
    def anchors(self) -> tuple[str, ...]:
        """("sentiment.low", "sentiment.high", ...): what a coefficient row's columns are."""
        return anchor_names(self._attributes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the adapter reader warned of."""
        return self._warnings

    @property
    def spec(self) -> ModelSpec:
        """How it was opened: plain data, as `from_spec` takes it."""
        return self._spec

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """SHA-256 of the base, the tokenizer and every anchor: of their files, or of their tensors
        in memory. {"base": {"from", "sha256"}, "tokenizer", "anchors": {name: {"from",
        "sha256"}}}; read once."""
        return model_fingerprint(self._base, self._spec.attributes)

    @property
    def engine(self) -> Engine:
        """The native engine."""
        return self._engine

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer (encode, decode), or None."""
        return self._base.tokenizer

    @property
    def dtype(self) -> str:
        """What is computed in: "float32" or "bfloat16"."""
        return self._engine.dtype

    @property
    def device(self) -> str:
        return self._engine.device

    @property
    def context_length(self) -> int:
        """Tokens that fit: a prompt with its new ones."""
        return self._engine.context_length

    @property
    def bos_token_id(self) -> int | None:
        return self._base.bos_token_id

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        return self._base.eos_token_ids

    def __repr__(self) -> str:
        names = ", ".join(self._attributes) or "no attributes"
        kind = type(self).__name__
        return f"{kind}({self._engine.model_type}, {names}; {self.dtype} on {self.device})"

    def _repr_html_(self) -> str:
        return fact_table(
            type(self).__name__,
            {
                "base": f"{self._base.name or self._base.where} ({self._engine.model_type})",
                "attributes": ", ".join(self._attributes) or "none",
                "anchors": ", ".join(self.anchors) or "none",
                "computes in": f"{self.dtype} on {self.device}",
                "context": f"{self.context_length} tokens",
            },
        )

    @suggests_arguments
    def coefficients(
        self,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        *,
        point: Point | None = None,
    ) -> Floats:
        """The coefficient row [K] of a point, in the order of `.anchors`: lambda_i (1 - alpha_i),
        lambda_i alpha_i, ..."""
        (bound,) = resolve_points(self._attributes, 1, alpha, lam, point)
        return coefficient_row(bound, self._attributes)

    @suggests_arguments
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
        """Logits [B, T, V] float32 of input_ids [B, T] at a point, or at one point per row.

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
        rows, _ = resolve_coefficients(self._attributes, ids.shape[0], alpha, lam, point, coeffs)
        return self._engine.logits(ids, mask, rows, mode)

    @suggests_arguments
    def generate(
        self,
        prompts: Prompts,
        *,
        alpha: Weighting | None = None,
        lam: Weighting | None = None,
        point: Point | Sequence[Point] | None = None,
        coeffs: npt.ArrayLike | None = None,
        schedule: Schedule | None = None,
        method: None = None,
        max_new_tokens: int = 32,
        do_sample: bool = True,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        num_return_sequences: int = 1,
        stop_strings: str | Sequence[str] | None = None,
        eos_token_id: int | Sequence[int] | None = None,
        seed: int | None = None,
        mode: str = "auto",
        progress: bool | OnProgress = False,
        streamer: Streamer | None = None,
    ) -> Generation:
        """Continues prompts at a point, or each at its own.

        prompts: a str, a list of str, a list of token-id lists, or conversations: a list of
            messages {"role", "content"}, or a list of such lists (through the chat template).
        Where to stand, one of: alpha (and lam), attribute -> a number or one per prompt; point, a
            Point or one per prompt; coeffs, [K] or [P, K]; schedule, [steps, K], [P, steps, K] or a
            callable(step) -> Point, whose row t makes new token t (the prompt is read at row 0).
            None of them: the base model.
        do_sample: False, or a temperature of 0, takes the likeliest token. Otherwise temperature,
            top_k (0: off), top_p, min_p and repetition_penalty act as in transformers.
        num_return_sequences: rows per prompt, which are prefilled once.
        stop_strings: end a row once its new text holds one; the text keeps it, as in transformers.
        eos_token_id: None is the model's own, [] never ends a row.
        seed: rows draw the same numbers for it in any batch; None draws one, which stats["seed"]
            keeps.
        mode: "auto" lets the planner choose, "bank" keeps the factors apart, "merged" forms the
            weights of the point.
        progress: True shows a bar with tokens/s; a callable(done, total) is told of new tokens.
        streamer: callable(row, text), or an object with put(row, text) and end(); gets text as it
            is decoded, whole characters only, and the pieces of a row add up to its text.

        ValueError where a prompt and its new tokens do not fit the context, and for options out of
        range.
        """
        if method is not None:
            raise ValueError(f"method: must be None in this version, got {method!r}; leave it out")
        ids = encode_prompts(
            prompts, self.tokenizer, self._base.bos_token_id, self._engine.vocab_size
        )
        steps = as_int("max_new_tokens", max_new_tokens)
        heat = as_number("temperature", temperature)
        options = GenerateOptions(
            max_new_tokens=steps,
            do_sample=bool(do_sample) and heat != 0,
            temperature=heat or 1.0,
            top_k=as_int("top_k", top_k),
            top_p=as_number("top_p", top_p),
            min_p=as_number("min_p", min_p),
            repetition_penalty=as_number("repetition_penalty", repetition_penalty),
            num_return_sequences=as_int("num_return_sequences", num_return_sequences),
            eos_token_ids=eos_ids(eos_token_id, self._base.eos_token_ids, self._engine.vocab_size),
            stop_strings=self._stop_strings(stop_strings),
            seed=seed_of(seed),
            mode=mode,
        )
        coefficients, points = resolve_coefficients(
            self._attributes, len(ids), alpha, lam, point, coeffs, schedule, steps
        )
        return self._run(ids, coefficients, points, options, progress, streamer)

    @suggests_arguments
    def perplexity(
        self,
        text_or_ids: Corpus,
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        max_length: int | None = None,
        stride: int = DEFAULT_STRIDE,
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
            mean loss per token. "word": exp of a document's whole loss over its words (split on
            white space), every document behind the bos or eos token, in windows that do not
            overlap; stride is not used (lm-evaluation-harness's word_perplexity).

        ValueError for a text of fewer than 2 tokens and for options out of range.
        """
        ids = self._base.eos_token_ids
        bos = self._base.bos_token_id
        return perplexity(
            text_or_ids,
            self.tokenizer,
            bos if bos is not None else next(iter(ids), None),
            self.context_length,
            self._losses(alpha, lam, point, mode, progress),
            (max_length, stride, protocol),
        )

    @suggests_arguments
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
        row = resolve_coefficients(self._attributes, 1, alpha, lam, point, None)[0]

        def losses(sequences: list[list[int]], firsts: list[int]) -> npt.NDArray[np.float64]:
            rows = np.repeat(row, len(sequences), axis=0)
            with token_bar(progress, "scoring") as on_progress:
                nll = self._engine.target_nll(sequences, firsts, rows, mode, on_progress)
            return nll.numpy().astype(np.float64)

        return losses

    @suggests_arguments
    def save_merged(
        self,
        directory: str | os.PathLike[str],
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        coeffs: npt.ArrayLike | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        """Writes the model at a point as a HuggingFace checkpoint that transformers loads, with
        config and tokenizer.

        dtype: "float32", "bfloat16" or "float16"; None keeps the checkpoint's. The folder appears
        whole or not at all. FileExistsError unless `directory` is new, empty or an earlier export.
        """
        row, note = self._export_point("save_merged", alpha, lam, point, coeffs)
        saved = saved_dtype(dtype)
        export.save_merged(directory, self._engine, self._base, row, saved, note)

    @suggests_arguments
    def save_adapter(
        self,
        directory: str | os.PathLike[str],
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        coeffs: npt.ArrayLike | None = None,
        rank: int | None = None,
    ) -> None:
        """Writes the model's difference from its base at a point as one PEFT adapter.

        rank: None is exact, by concatenation of the anchors' factors; a number truncates to the
        best approximation of that rank (QR, then SVD). The folder appears whole or not at all;
        FileExistsError as for save_merged.
        """
        row, note = self._export_point("save_adapter", alpha, lam, point, coeffs)
        truncated = positive_or_zero("rank", rank)
        export.save_adapter(directory, self._engine, self._base, row, truncated, note)

    def _export_point(
        self,
        what: str,
        alpha: Mapping[str, float] | float | None,
        lam: Mapping[str, float] | float | None,
        point: Point | None,
        coeffs: npt.ArrayLike | None,
    ) -> tuple[Floats, dict[str, Any]]:
        """The row [K] to export, and what the folder's note says of it."""
        if alpha is None and point is None and coeffs is None:
            raise ValueError(
                f"{what}: needs the point to stand at; give alpha= (and lam=), point= or coeffs="
            )
        row = resolve_coefficients(self._attributes, 1, alpha, lam, point, coeffs)[0][0]
        note = {
            "contlm": __version__,
            "base": self._base.name,
            "coefficients": dict(zip(self.anchors, row.tolist(), strict=True)),
        }
        return row, note

    def _run(
        self,
        ids: list[list[int]],
        coefficients: Floats,
        points: list[Point | None],
        options: GenerateOptions,
        progress: bool | OnProgress,
        streamer: Streamer | None,
    ) -> Generation:
        samples = options.num_return_sequences
        feed = None
        if streamer is not None:
            if self.tokenizer is None:
                raise ValueError(
                    "streamer: needs a tokenizer and the model has none; give tokenizer="
                )
            feed = StreamFeed(streamer, self.tokenizer, len(ids) * samples, options.eos_token_ids)
        with token_bar(progress) as on_progress:
            token_ids, reasons, stats = self._engine.generate(
                ids, coefficients, options, on_progress, feed.on_tokens if feed else None
            )
        if feed is not None:
            feed.end()
        stats["seed"] = options.seed
        return generation_of(token_ids, reasons, stats, points, samples, self.tokenizer)

    def _stop_strings(self, stop_strings: str | Sequence[str] | None) -> list[str]:
        stops = stop_list(stop_strings)
        if stops:
            if self.tokenizer is None:
                raise ValueError(
                    "stop_strings: need a tokenizer and the model has none; give tokenizer="
                )
            with self._token_bytes_lock:
                if not self._has_token_bytes:
                    size = self._engine.vocab_size
                    self._engine.set_token_bytes(self.tokenizer.token_bytes(size))
                    self._has_token_bytes = True
        return stops
