"""Text to token ids and back, over `tokenizers` or, when that is what there is, a transformers
tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from contlm.loading.chat_template import ChatTemplate, Message

_BYTE_TOKEN = re.compile(r"^<0x([0-9A-Fa-f]{2})>$")


class Tokenizer:
    """Encodes and decodes as the model was trained: special tokens are added as the tokenizer's own
    template says."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer | None,
        slow: Any = None,
        chat: ChatTemplate | None = None,
    ) -> None:
        if (backend is None) == (slow is None):
            raise TypeError("Tokenizer: needs a tokenizers.Tokenizer or a transformers tokenizer")
        self._backend = _unpadded(backend) if backend is not None else None
        self._slow = slow
        self._chat = chat
        # the transformers tokenizer of the backend: it knows what else belongs in the folder
        self._origin = slow

    @classmethod
    def of(cls, source: object) -> Tokenizer:
        """From a tokenizers.Tokenizer, a transformers tokenizer, a tokenizer.json or the directory
        of one.

        FileNotFoundError when a directory holds no tokenizer; TypeError for anything else.
        """
        if isinstance(source, Tokenizer):
            return source
        if isinstance(source, tokenizers.Tokenizer):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            return cls._open(Path(source).expanduser())
        fast = getattr(source, "backend_tokenizer", None)
        if isinstance(fast, tokenizers.Tokenizer):
            made = cls(fast, chat=ChatTemplate.of_tokenizer(source))
            made._origin = source
            return made
        if callable(source) and hasattr(source, "decode"):
            return cls(None, source, ChatTemplate.of_tokenizer(source))
        raise TypeError(
            "tokenizer: must be a tokenizers.Tokenizer, a transformers tokenizer or a directory, "
            f"got {type(source).__name__}"
        )

    @classmethod
    def find(cls, directory: Path) -> Tokenizer | None:
        """The tokenizer in a model's directory, or None where there is none."""
        if (directory / "tokenizer.json").is_file():
            return cls._open(directory / "tokenizer.json")
        slow = (
            "tokenizer.model",
            "vocab.json",
            "vocab.txt",
            "tokenizer_config.json",
            "spiece.model",
        )
        if any((directory / name).is_file() for name in slow):
            return cls._through_transformers(directory)
        return None

    @classmethod
    def _open(cls, path: Path) -> Tokenizer:
        if path.is_dir():
            found = cls.find(path)
            if found is None:
                raise FileNotFoundError(
                    f"tokenizer: no tokenizer.json in {path}, nor a slow tokenizer's files"
                )
            return found
        if not path.is_file():
            raise FileNotFoundError(f"tokenizer: no file or directory {path}")
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
        # the package raises bare Exception for a file that it cannot read
        except Exception as error:
            raise ValueError(f"tokenizer: {path} must be a tokenizers file: {error}") from None
        return cls(backend, chat=ChatTemplate.find(path.parent))

    @classmethod
    def _through_transformers(cls, directory: Path) -> Tokenizer:
        try:
            from transformers import AutoTokenizer
        except ImportError:
            raise ValueError(
                f"tokenizer: {directory} has no tokenizer.json and its slow tokenizer needs "
                "transformers; pip install 'contlm[hf]', or give tokenizer="
            ) from None
        return cls.of(AutoTokenizer.from_pretrained(str(directory), local_files_only=True))

    @property
    def vocab_size(self) -> int:
        """Ids that the tokenizer knows, added tokens included."""
        if self._backend is not None:
            return self._backend.get_vocab_size(with_added_tokens=True)
        return len(self._slow)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, special tokens as the tokenizer's template adds them."""
        if self._backend is not None:
            return list(self._backend.encode(text).ids)
        return [int(i) for i in self._slow(text)["input_ids"]]

    def encode_batch(self, texts: Sequence[str], special_tokens: bool = True) -> list[list[int]]:
        """Token ids of each text; without `special_tokens`, of the text alone."""
        if self._backend is not None:
            encoded = self._backend.encode_batch(list(texts), add_special_tokens=special_tokens)
            return [list(e.ids) for e in encoded]
        return [
            [int(i) for i in self._slow(text, add_special_tokens=special_tokens)["input_ids"]]
            for text in texts
        ]

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation through the chat template, up to where the answer begins.

        ValueError where there is no template.
        """
        if self._chat is None:
            raise ValueError(
                "prompts: messages need a chat template and the tokenizer has none; give text"
            )
        return self.encode_batch([self._chat.render(messages)], special_tokens=False)[0]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        if self._backend is not None:
            return str(self._backend.decode(list(ids), skip_special_tokens=True))
        return str(self._slow.decode(list(ids), skip_special_tokens=True))

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [self.decode(ids) for ids in rows]

    def truncated(self, max_length: int) -> Tokenizer:
        """A copy whose encodings have at most `max_length` ids, special tokens included."""
        if self._backend is None:
            raise ValueError("tokenizer: truncation needs a tokenizer.json")
        copy = Tokenizer(self._backend)
        assert copy._backend is not None
        copy._backend.enable_truncation(max_length)
        return copy

    def token_bytes(self, size: int) -> list[bytes]:
        """[size]: the bytes that each id adds inside a text; b"" for special tokens and for ids
        without a token.

        Read off the decoder: the byte-level BPE alphabet; Metaspace or a replaced "▁" as a space,
        with <0xNN> as that byte; otherwise what decoding the id behind another one adds.
        """
        if self._backend is None:
            return [self._added_by_decoding(i) for i in range(size)]
        state = json.loads(self._backend.to_str())
        special = {t["id"] for t in state["added_tokens"] if t["special"]}
        added = {t["id"]: t["content"] for t in state["added_tokens"]}
        kinds = _decoder_kinds(state["decoder"])
        out: list[bytes] = []
        for i in range(size):
            token = self._backend.id_to_token(i)
            if token is None or i in special:
                out.append(b"")
            elif i in added:
                out.append(added[i].encode())
            elif "ByteLevel" in kinds:
                out.append(_byte_level(token))
            elif "Metaspace" in kinds or "ByteFallback" in kinds or "Replace" in kinds:
                out.append(_metaspace(token))
            else:
                out.append(self._added_by_decoding(i))
        return out

    def digest(self) -> str:
        """SHA-256 of what the tokenizer does: of its tokenizer.json, or of its class and
        vocabulary."""
        if self._backend is not None:
            state = self._backend.to_str()
        else:
            state = json.dumps([type(self._slow).__name__, self._slow.get_vocab()], sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()

    def save(self, directory: Path) -> None:
        """Writes the tokenizer's files into `directory`."""
        if self._origin is not None:
            self._origin.save_pretrained(str(directory))
        else:
            assert self._backend is not None
            self._backend.save(str(directory / "tokenizer.json"))

    def _added_by_decoding(self, i: int) -> bytes:
        reference = self.encode("a")[-1:]
        alone, both = self.decode(reference), self.decode([*reference, i])
        return both[len(alone) :].encode() if both.startswith(alone) else self.decode([i]).encode()


def _unpadded(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A copy that neither pads nor truncates: files often keep what training had set."""
    copy = tokenizers.Tokenizer.from_str(backend.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def _decoder_kinds(decoder: dict[str, Any] | None) -> set[str]:
    if decoder is None:
        return set()
    if decoder["type"] == "Sequence":
        return {kind for part in decoder["decoders"] for kind in _decoder_kinds(part)}
    return {decoder["type"]}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes: printable latin-1 as itself, the rest from U+0100
    on."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), 256),
    ]
    alphabet = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return alphabet


_BYTE_OF = _byte_alphabet()


def _byte_level(token: str) -> bytes:
    if all(char in _BYTE_OF for char in token):
        return bytes(_BYTE_OF[char] for char in token)
    return token.encode()


def _metaspace(token: str) -> bytes:
    byte = _BYTE_TOKEN.match(token)
    if byte:
        return bytes([int(byte.group(1), 16)])
    return token.replace("▁", " ").encode()
