"""The work that a task needs, counted from the models' configs: the one home of FLOP counts.

A pass is one walk over the weights. It needs its products' floating-point operations (a
multiplication and an addition are two), attention's included, and to read the weights once. Left
out, so that no count is more than is needed: norms, activations, softmax, embeddings and the
key/value caches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

Shape = tuple[int, int]


class Pass(NamedTuple):
    flops: float
    bytes: float


class Span(NamedTuple):
    """`new` tokens of a sequence that has `seen` others; a head reads the last `read` of them."""

    seen: int
    new: int
    read: int


@dataclass(frozen=True)
class Transformer:
    """keys: the (out, in) of a layer's key and value products, which every token needs; others: of
    its other products, which a last layer needs for tokens that are read; head: of what follows."""

    layers: int
    keys: tuple[Shape, ...]
    others: tuple[Shape, ...]
    head: tuple[Shape, ...]
    attention_width: int  # query heads x head_dim
    causal: bool

    @property
    def products(self) -> tuple[Shape, ...]:
        return self.keys + self.others

    def one_pass(self, spans: Iterable[Span], itemsize: int, rank: int = 0) -> Pass:
        """rank: r, summed over the LoRA adapters that act beside the layers' products."""
        spans = list(spans)
        tokens, read = sum(s.new for s in spans), sum(s.read for s in spans)
        keys, others = _size(self.keys, rank), _size(self.others, rank)
        flops = 2.0 * tokens * (self.layers * keys + (self.layers - 1) * others)
        flops += 2 * read * (others + _size(self.head))
        pairs = (self.layers - 1) * sum(self._pairs(span, span.new) for span in spans)
        pairs += sum(self._pairs(span, span.read) for span in spans)
        # Each query meets a key, and each weight a value: two products as wide as the heads.
        flops += 2 * 2 * self.attention_width * pairs
        weights = self.layers * (keys + others) + _size(self.head)
        return Pass(flops, weights * itemsize)

    def merge(self, rank: int, itemsize: int) -> Pass:
        """Forming every layer's weight of a point: W + B diag(c) A, read and written once."""
        base, factors = _size(self.products), _size(self.products, rank) - _size(self.products)
        moved = self.layers * (2 * base + factors)
        return Pass(2.0 * rank * self.layers * base, moved * itemsize)

    def _pairs(self, span: Span, last: int) -> float:
        """Pairs of a query and a key that it sees, of the span's last `last` tokens."""
        end = span.seen + span.new
        return last * end - last * (last - 1) / 2 if self.causal else last * end


def decoder(config: Any) -> Transformer:
    """Of a LlamaConfig."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    return Transformer(
        layers=config.num_hidden_layers,
        keys=((keys, hidden), (keys, hidden)),
        others=(
            (queries, hidden),
            (hidden, queries),
            (inner, hidden),
            (inner, hidden),
            (hidden, inner),
        ),
        head=((config.vocab_size, hidden),),
        attention_width=queries,
        causal=True,
    )


def classifier(config: Any) -> Transformer:
    """Of a RobertaConfig: its head reads the first token alone."""
    hidden, inner = config.hidden_size, config.intermediate_size
    return Transformer(
        layers=config.num_hidden_layers,
        keys=((hidden, hidden),) * 2,
        others=((hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)),
        head=((hidden, hidden), (config.num_labels, hidden)),
        attention_width=hidden,
        causal=False,
    )


def generation(
    model: Transformer,
    rows: int,
    prompt: int,
    new: int,
    itemsize: int,
    *,
    samples: int = 1,
    rank: int = 0,
) -> list[Pass]:
    """Prompts read once for all their samples, then a pass for every new token but the last, which
    is not fed back."""
    prefill = model.one_pass([Span(0, prompt, 1)] * rows, itemsize, rank)
    steps = [
        model.one_pass([Span(prompt + step, 1, 1)] * (rows * samples), itemsize, rank)
        for step in range(new - 1)
    ]
    return [prefill, *steps]


def perplexity(
    model: Transformer, tokens: int, window: int, stride: int, itemsize: int
) -> list[Pass]:
    """Windows of `window` tokens every `stride`; a window's targets are the tokens that none before
    it had, and its last token is a target alone."""
    spans, seen = [], 1  # nothing comes before the first token to predict it from
    for begin in range(0, tokens, stride):
        end = min(begin + window, tokens)
        spans.append(Span(0, end - begin - 1, end - seen))
        seen = end
        if end == tokens:
            break
    return [model.one_pass(spans, itemsize)]


def scoring(model: Transformer, lengths: Iterable[int], itemsize: int) -> list[Pass]:
    """Texts of these many tokens, special ones included, all in one pass."""
    return [model.one_pass([Span(0, length, 1) for length in lengths], itemsize)]


def _size(shapes: Iterable[Shape], rank: int = 0) -> int:
    """Weights of products, with A [rank, in] and B [out, rank] beside each."""
    return sum(out * inner + rank * (out + inner) for out, inner in shapes)
