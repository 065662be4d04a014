"""Chat templates: a conversation as the text that a model was trained on, rendered as transformers
does."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from contlm._common.json_text import read_object

Message = Mapping[str, Any]

_ROLE, _CONTENT = "role", "content"


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template, and the special tokens that it may name (bos_token, eos_token, ...)."""

    source: str
    special_tokens: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, directory: Path) -> ChatTemplate | None:
        """The template in a model's folder: chat_template.jinja, or tokenizer_config.json's."""
        config_file, own = directory / "tokenizer_config.json", directory / "chat_template.jinja"
        config = read_object(config_file) if config_file.is_file() else {}
        source = own.read_text(encoding="utf-8") if own.is_file() else config.get("chat_template")
        return cls._of(source, config)

    @classmethod
    def of_tokenizer(cls, tokenizer: Any) -> ChatTemplate | None:
        """That of a transformers tokenizer."""
        tokens = getattr(tokenizer, "special_tokens_map", None) or {}
        return cls._of(getattr(tokenizer, "chat_template", None), tokens)

    @classmethod
    def _of(cls, source: Any, config: Mapping[str, Any]) -> ChatTemplate | None:
        if isinstance(source, list):
            source = {t.get("name"): t.get("template") for t in source if isinstance(t, dict)}
        if isinstance(source, dict):
            source = source.get("default")
        if not isinstance(source, str):
            return None
        tokens = {k: _content(v) for k, v in config.items() if k.endswith("_token")}
        return cls(source, {name: text for name, text in tokens.items() if text is not None})

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation's text, up to where the assistant's answer begins.

        ValueError with the template's own words where it refuses the conversation (two turns of one
        role, a role that it does not know).
        """
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        try:
            return environment.from_string(self.source).render(
                messages=list(messages), add_generation_prompt=True, **self.special_tokens
            )
        except TemplateError as error:
            raise ValueError(f"prompts: the chat template refuses them: {error}") from None


def is_conversation(prompt: object) -> bool:
    """Whether a prompt is a list of messages, {"role": ..., "content": ...}."""
    return isinstance(prompt, list | tuple) and any(isinstance(item, Mapping) for item in prompt)


def check_conversation(what: str, prompt: Sequence[Any]) -> None:
    """TypeError or ValueError unless every item is a message with a role and a content."""
    for i, message in enumerate(prompt):
        if not isinstance(message, Mapping):
            raise TypeError(
                f"{what}[{i}]: must be a message {{'role': ..., 'content': ...}} like the others, "
                f"got {type(message).__name__}"
            )
        for key in (_ROLE, _CONTENT):
            if not isinstance(message.get(key), str):
                raise ValueError(
                    f"{what}[{i}]: a message must have a {key!r} that is a str, got {message!r}"
                )


def _content(token: Any) -> str | None:
    text = token.get("content") if isinstance(token, Mapping) else token
    return text if isinstance(text, str) else None


def _tojson(value: Any, indent: int | None = None) -> str:
    # jinja's own filter escapes what HTML would read, which no chat template wants
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)
