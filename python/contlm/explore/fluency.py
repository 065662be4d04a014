"""Whether what a point writes still is language: how surprised the base model is by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contlm.model.interpolated import InterpolatedModel

# Far off the base's own text from the same prompt, seed and sampling. On the bundled model texts
# between the anchors keep to 0.7 to 1.6 times the base's perplexity, those at alpha 2, which begin
# to break, to 1 to 5 times, and those at alpha 3, which have broken, start at 10
FAR_OFF_FACTOR = 3.0
# and surprising in itself: what a base writes at temperature 0 can have a perplexity near 1, and
# three times that is plain language
FAR_OFF_FLOOR = 20.0


def base_perplexity(
    lm: InterpolatedModel, prompt: str, token_ids: Sequence[Sequence[int]]
) -> list[float]:
    """exp of the mean loss per new token given the prompt, under the base model, for each of the
    texts; NaN where none can be predicted.

    token_ids: new tokens as they were drawn; their text could become other, and more, tokens.
    """
    if lm.tokenizer is None:
        raise ValueError("explore: needs a tokenizer and the model has none; give tokenizer=")
    start = lm.tokenizer.encode(prompt)
    # an empty prompt leaves the first new token without one to be predicted from
    prompts = [start or ids[:1] for ids in token_ids]
    texts = [ids if start else ids[1:] for ids in token_ids]
    return [float(value) for value in lm.conditional_perplexity(prompts, texts)]


def far_off(perplexity: Mapping[str, float]) -> bool:
    """Whether the point's text is gibberish beside the base's: side -> perplexity under the base.
    False where one of them is NaN."""
    base, point = perplexity["base"], perplexity["point"]
    return point >= FAR_OFF_FLOOR and point >= FAR_OFF_FACTOR * base
