"""Tokenizers: sources, round trips, the bytes of tokens, and text that is decoded as it comes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import transformers
from conftest import CORPUS, byte_level_tokenizer
from contlm.loading.tokenizer import Tokenizer
from contlm.model.streaming import RowDecoder
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

BYTE_LEVEL = byte_level_tokenizer()


def sentencepiece_like(modern: bool) -> tokenizers.Tokenizer:
    """Llama-2's kind: "▁" for spaces and <0xNN> for bytes, by Metaspace or by Replace."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    words = ["▁", "▁the", "▁fox", "t", "h", "e", "f", "o", "x", "▁th"]
    vocab = {piece: i for i, piece in enumerate([*pieces, *words])}
    merges: list[tuple[str, str]] = []
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    if modern:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()]
        )
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def wordpiece() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS] * 4, trainer)
    return tokenizer


KINDS = {
    "byte-level": BYTE_LEVEL,
    "metaspace": sentencepiece_like(True),
    "replace": sentencepiece_like(False),
    "wordpiece": wordpiece(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_token_bytes_spell_the_text(kind: str) -> None:
    tokenizer = Tokenizer.of(KINDS[kind])
    table = tokenizer.token_bytes(tokenizer.vocab_size)
    text = "the fox the fox" if kind != "wordpiece" else "the fox and the dog"
    ids = tokenizer.encode(text)
    assert len(ids) > 1
    spelt = b"".join(table[i] for i in ids).decode()
    assert spelt.strip() == text


def test_token_bytes_by_hand() -> None:
    old = Tokenizer.of(KINDS["replace"])
    table = old.token_bytes(old.vocab_size + 5)
    backend = KINDS["replace"]
    assert table[backend.token_to_id("▁fox")] == b" fox"
    assert table[backend.token_to_id("<0xE2>")] == b"\xe2"
    assert table[backend.token_to_id("</s>")] == b""
    assert table[-5:] == [b""] * 5, "ids past the tokenizer add nothing"
    spaced = Tokenizer.of(BYTE_LEVEL)
    table = spaced.token_bytes(spaced.vocab_size)
    assert table[BYTE_LEVEL.token_to_id("Ġ")] == b" "
    assert sorted(t for t in table if len(t) == 1) == [bytes([b]) for b in range(256)]


def test_added_tokens_that_are_not_special_are_text() -> None:
    backend = byte_level_tokenizer()
    backend.add_tokens(["<tool>"])
    tokenizer = Tokenizer.of(backend)
    table = tokenizer.token_bytes(tokenizer.vocab_size)
    assert table[backend.token_to_id("<tool>")] == b"<tool>"
    assert table[backend.token_to_id("<s>")] == b""


@given(st.text(max_size=40))
def test_round_trip(text: str) -> None:
    tokenizer = Tokenizer.of(BYTE_LEVEL)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode_batch([text, "x"])[0] == tokenizer.encode(text)
    table = tokenizer.token_bytes(tokenizer.vocab_size)
    if "<" not in text:
        assert b"".join(table[i] for i in tokenizer.encode(text)) == text.encode()


@given(st.text(max_size=30))
def test_streamed_text_has_no_broken_characters(text: str) -> None:
    tokenizer = Tokenizer.of(BYTE_LEVEL)
    decoder = RowDecoder(tokenizer)
    pieces = [decoder.push(i) for i in tokenizer.encode(text)]
    if "�" not in text:
        assert not any("�" in piece for piece in pieces)
    assert "".join(pieces) + decoder.finish() == tokenizer.decode(tokenizer.encode(text))


@given(st.lists(st.integers(0, BYTE_LEVEL.get_vocab_size() - 1), max_size=40))
def test_streamed_pieces_add_up_for_any_tokens(ids: list[int]) -> None:
    tokenizer = Tokenizer.of(BYTE_LEVEL)
    decoder = RowDecoder(tokenizer)
    pieces = [decoder.push(i) for i in ids]
    assert "".join(pieces) + decoder.finish() == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_spaces_stay(kind: str) -> None:
    tokenizer = Tokenizer.of(KINDS[kind])
    ids = tokenizer.encode("the fox the fox the")
    decoder = RowDecoder(tokenizer)
    assert "".join(map(decoder.push, ids)) + decoder.finish() == tokenizer.decode(ids)


def test_special_tokens_are_added_and_not_shown() -> None:
    backend = byte_level_tokenizer()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer = Tokenizer.of(backend)
    assert tokenizer.encode("fox")[0] == 1
    assert tokenizer.decode(tokenizer.encode("fox")) == "fox"


def test_files_that_pad_or_truncate_do_not_here(tmp_path: Path) -> None:
    backend = byte_level_tokenizer()
    backend.enable_padding(length=50)
    backend.enable_truncation(4)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.of(tmp_path)
    ids = tokenizer.encode(CORPUS)
    assert len(ids) > 50 and ids == Tokenizer.of(BYTE_LEVEL).encode(CORPUS)
    assert len(tokenizer.truncated(7).encode(CORPUS)) == 7


def test_every_source_gives_the_same(tmp_path: Path) -> None:
    BYTE_LEVEL.save(str(tmp_path / "tokenizer.json"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=byte_level_tokenizer())
    sources: list[object] = [tmp_path, str(tmp_path), tmp_path / "tokenizer.json", BYTE_LEVEL, fast]
    for source in sources:
        assert Tokenizer.of(source).encode("the fox") == BYTE_LEVEL.encode("the fox").ids


class SlowTokenizer:
    """What of transformers' tokenizers is relied on."""

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) - ord("a") for c in text]}

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        assert skip_special_tokens
        return "".join(chr(i + ord("a")) for i in ids)

    def __len__(self) -> int:
        return 26


def test_slow_tokenizers_are_used_as_they_are() -> None:
    tokenizer = Tokenizer.of(SlowTokenizer())
    assert tokenizer.encode("abz") == [0, 1, 25]
    assert tokenizer.decode([0, 1, 25]) == "abz"
    assert tokenizer.token_bytes(26)[3] == b"d"


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json in"):
        Tokenizer.of(tmp_path)
    assert Tokenizer.find(tmp_path) is None
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(ValueError, match=r"tokenizer\.json must be a tokenizers file"):
        Tokenizer.of(tmp_path)
    with pytest.raises(TypeError, match="got int"):
        Tokenizer.of(3)
