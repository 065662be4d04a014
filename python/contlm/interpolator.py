"""The interpolator: one base model, its anchors, and every model between and beyond them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import torch

from contlm._native import Engine, GenerateOptions
from contlm.broadcast import Floats, Schedule, Weighting, stand
from contlm.exporting import Exporting
from contlm.generation import Generation
from contlm.opening import ModelOpening
from contlm.options import (
    compute_dtype,
    device_name,
    eos_ids,
    positive_or_zero,
    seed_of,
    stop_list,
)
from contlm.point import Point, as_number
from contlm.progress import OnProgress, token_bar
from contlm.prompts import Prompts, as_int, encode_prompts
from contlm.scoring import Scoring
from contlm.sources import Anchor, add_anchors, check_attributes, open_model
from contlm.streaming import Streamer, StreamFeed
from contlm.sweeping import Sweeping


class Interpolator(Scoring, Sweeping, Exporting):
    """A base model with two LoRA anchors an attribute; made by `from_pretrained`.

    A point is an argument of a call, never state: threads may generate at different points on one
        Interpolator.
    """

    # one for all: what it guards is done once a model, in milliseconds
    _stop_lock = threading.Lock()
    _knows_token_bytes = False

    @classmethod
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
    ) -> Interpolator:
        """Opens a base model and its anchors.

        model: a directory, a hub id, a transformers.PreTrainedModel, or a peft.PeftModel (whose
            base is taken; in-memory weights are referred to, not copied, and must not change
            afterwards).
        attributes: name -> (low, high), low at alpha = 0 and high at alpha = 1. Each is an
            adapter's directory, a hub id, the name of an adapter that `model` carries (looked for
            first), or a peft.PeftModel with one active adapter.
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
        pairs = check_attributes(attributes)
        source = open_model(model, tokenizer)
        engine = Engine(
            source.config_text,
            source.weights,
            where=source.where,
            dtype=compute_dtype(dtype),
            device=device_name(device),
            threads=positive_or_zero("threads", threads),
            max_rows=positive_or_zero("max_rows", max_rows),
        )
        notes = add_anchors(engine, pairs, source.model)
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        opening = ModelOpening(
            model, pairs, tokenizer, engine.dtype, engine.device, threads, max_rows
        )
        return cls(engine, tuple(pairs), source, notes, opening)

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

        prompts: a str, a list of str, or a list of token-id lists.
        Where to stand, one of: alpha (and lam), attribute -> a number or one per prompt; point, a
            Point or one per prompt; coeffs, [K] or [P, K]; schedule, [steps, K], [P, steps, K] or a
            callable(step) -> Point, whose row t makes new token t (the prompt is read at row 0).
            None of them: the base model.
        do_sample: False takes the likeliest token. Otherwise temperature, top_k (0: off), top_p,
            min_p and repetition_penalty act as in transformers.
        num_return_sequences: rows a prompt, which are prefilled once.
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
            prompts, self.tokenizer, self._source.bos_token_id, self._engine.vocab_size
        )
        steps = as_int("max_new_tokens", max_new_tokens)
        options = GenerateOptions(
            max_new_tokens=steps,
            do_sample=bool(do_sample),
            temperature=as_number("temperature", temperature),
            top_k=as_int("top_k", top_k),
            top_p=as_number("top_p", top_p),
            min_p=as_number("min_p", min_p),
            repetition_penalty=as_number("repetition_penalty", repetition_penalty),
            num_return_sequences=as_int("num_return_sequences", num_return_sequences),
            eos_token_ids=eos_ids(
                eos_token_id, self._source.eos_token_ids, self._engine.vocab_size
            ),
            stop_strings=self._stop_strings(stop_strings),
            seed=seed_of(seed),
            mode=mode,
        )
        coefficients, points = stand(
            self._attributes, len(ids), alpha, lam, point, coeffs, schedule, steps
        )
        return self._run(ids, coefficients, points, options, progress, streamer)

    def explore(self, prompt: str | None = None, classifiers: Any = None, **options: Any) -> Any:
        """Sliders in a notebook: text at a point beside the base model's, as they move.

        prompt: what is continued. classifiers: attribute -> Classifier or directory, whose scores
            are shown live. None takes those that the model brings along, as the bundled one does.
        options: where the controls begin: alpha, lam, max_new_tokens, temperature, top_p, seed, and
            samples=8, the texts that scores are means of.

        The widget's `.point` is where its sliders stand. Needs the extra `contlm[explore]`.
        """
        from contlm import explore

        return explore.show(self, prompt, classifiers, **options)

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
        texts = None
        if self.tokenizer is not None:
            shown = [
                r[:-1] if why == "eos" else r for r, why in zip(token_ids, reasons, strict=True)
            ]
            texts = self.tokenizer.decode_batch(shown)
        index = [i for i in range(len(ids)) for _ in range(samples)]
        return Generation(token_ids, texts, index, [points[i] for i in index], reasons, stats)

    def _stop_strings(self, stop_strings: str | Sequence[str] | None) -> list[str]:
        stops = stop_list(stop_strings)
        if stops:
            if self.tokenizer is None:
                raise ValueError(
                    "stop_strings: need a tokenizer and the model has none; give tokenizer="
                )
            with Interpolator._stop_lock:
                if not self._knows_token_bytes:
                    size = self._engine.vocab_size
                    self._engine.set_token_bytes(self.tokenizer.token_bytes(size))
                    self._knows_token_bytes = True
        return stops
