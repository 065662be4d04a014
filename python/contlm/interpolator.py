"""The interpolator: one base model, its anchors, and every model between and beyond them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contlm.grid import Grid
from contlm.model.classifier import Classifier
from contlm.model.interpolated import InterpolatedModel
from contlm.model.perplexity import Corpus
from contlm.model.prompts import Prompts
from contlm.points.point import Point
from contlm.sweep import Sweep
from contlm.sweep.plan import DEFAULT_METRICS, MetricsRequest, SamplingRequest, make_plan

if TYPE_CHECKING:
    from contlm.explore.widget import ExploreWidget


class Interpolator(InterpolatedModel):
    """A base model with two anchors per attribute; made by `from_pretrained`.

    A point is an argument of a call, never state: threads may generate at different points on one
    Interpolator.
    """

    def sweep(
        self,
        prompts: Prompts,
        points: Grid | Sequence[Point],
        *,
        num_return_sequences: int = 3,
        max_new_tokens: int = 32,
        metrics: str | Sequence[str] = DEFAULT_METRICS,
        classifiers: Mapping[str, Classifier] | None = None,
        perplexity_text: Corpus | None = None,
        perplexity_options: Mapping[str, Any] | None = None,
        judge: InterpolatedModel | None = None,
        seed: int | None = 0,
        out: str | os.PathLike[str] | None = None,
        resume: bool = True,
        progress: bool = True,
        executor: str | Mapping[str, Any] | None = None,
        **sampling: Any,
    ) -> Sweep:
        """Continues every prompt at every point, scores the texts and measures the points.

        prompts: as for generate. points: a grid of `contlm.grid`, or a list of Points.
        metrics: among "score" (needs classifiers), "perplexity" (needs perplexity_text),
            "base_perplexity" (of the texts given their prompts under the base model: whether they
            are coherent), "dist", "self_bleu" and "length". The default is the first four, less
            those that it was given nothing for; naming one without what it needs is a ValueError.
        classifiers: attribute -> Classifier. perplexity_options: max_length, stride and protocol of
            lm.perplexity. judge: another Interpolator, whose base says how likely each text is
            given its prompt.
        seed: the same prompt draws the same numbers at every point; None draws a seed, or takes
            that of the sweep in `out`.
        out: a folder that keeps every finished unit. The same call goes on from what is there and
            ends with the table of an unbroken one; ValueError when it holds another configuration,
            FileExistsError when it holds something and resume is False.
        executor: None computes in this process; "ray", or {"kind": "ray", "workers": 4, "address":
            "auto"}, on a Ray cluster, from the same files and with the same result.
        sampling: do_sample, temperature, top_k, top_p, min_p, repetition_penalty, stop_strings,
            eos_token_id and mode of generate.

        Ctrl-C returns what is finished, with a warning, and `.complete` is False. OSError naming
        the file when `out` cannot be written; units finished before it stay.
        """
        from contlm.sweep.running import run_plan
        from contlm.sweep.store import stored_seed

        if seed is None and out is not None and resume:
            seed = stored_seed(out)
        measured = MetricsRequest(metrics, classifiers, perplexity_text, perplexity_options, judge)
        sampled = SamplingRequest(num_return_sequences, max_new_tokens, seed, sampling)
        return run_plan(
            self,
            make_plan(self, prompts, points, measured, sampled),
            measured.evaluators(),
            out=out,
            resume=resume,
            progress=progress,
            executor=executor,
        )

    def explore(
        self, prompt: str | None = None, classifiers: Any = None, **options: Any
    ) -> ExploreWidget:
        """Sliders in a notebook: text at a point beside the base model's, as they move.

        prompt: what is continued. classifiers: attribute -> Classifier or directory, whose scores
            are shown live. None takes those that the model brings along, as the bundled one does.
        options: where the controls begin: alpha, lam, max_new_tokens, temperature, top_p, seed, and
            samples=8, the texts that scores are means of.

        The widget's `.point` is where its sliders stand. Needs the extra `contlm[explore]`.
        """
        from contlm import explore

        return explore.show(self, prompt, classifiers, **options)
