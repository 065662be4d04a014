"""Conversations as prompts: the text and tokens that transformers' apply_chat_template gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import contlm
import pytest
import transformers
from contlm.loading.chat_template import ChatTemplate
from contlm.loading.tokenizer import Tokenizer

CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRICT = """\
{{ bos_token }}{% set ns = namespace(turn=0) %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (ns.turn % 2 == 0) %}
        {{ raise_exception('Roles must alternate') }}
    {%- endif %}
    {%- if ns.turn > 4 %}{% break %}{% endif %}
    {%- set ns.turn = ns.turn + 1 %}
[{{ message['role'] | upper }}] {{ message['content'] }} {{ eos_token }} {{ {"<a>": 1} | tojson }}
{%- endfor %}
"""
TALK = [
    {"role": "user", "content": "  How do you do? "},
    {"role": "assistant", "content": "The naïve café\n  was <warm>."},
    {"role": "user", "content": "Go on"},
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.fixture(params=[CHATML, STRICT], ids=["chatml", "strict"])
def folder(request: pytest.FixtureRequest, text_base: Path, tmp_path: Path) -> Path:
    """The text base with a chat template in its tokenizer_config.json."""
    copy = tmp_path / "chat"
    shutil.copytree(text_base, copy)
    config = {**TOKENS, "chat_template": request.param}
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (copy / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


def test_equals_transformers(folder: Path) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    template = ChatTemplate.find(folder)
    assert template is not None
    wanted = theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
    assert template.render(TALK) == wanted
    ids = theirs.apply_chat_template(TALK, add_generation_prompt=True, return_dict=False)
    for source in (folder, theirs):
        assert Tokenizer.of(source).encode_chat(TALK) == ids


def test_generate_takes_conversations(folder: Path) -> None:
    lm = contlm.Interpolator.from_pretrained(folder, {})
    ids = Tokenizer.of(folder).encode_chat(TALK)
    wanted = lm.generate([ids], max_new_tokens=4, do_sample=False).token_ids[0]
    assert lm.generate(TALK, max_new_tokens=4, do_sample=False).token_ids == [wanted]
    both = lm.generate([TALK, "The dog"], max_new_tokens=4, do_sample=False)
    assert both.token_ids[0] == wanted and len(both) == 2


def test_a_template_file_comes_first(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}!", encoding="utf-8")
    template = ChatTemplate.find(folder)
    assert template is not None and template.render(TALK) == "  How do you do? !"


def test_named_templates(tmp_path: Path) -> None:
    named = [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]
    token = {"content": "<s>", "lstrip": False}
    text = json.dumps({"chat_template": named, "bos_token": token})
    (tmp_path / "tokenizer_config.json").write_text(text, encoding="utf-8")
    assert ChatTemplate.find(tmp_path) == ChatTemplate("d", {"bos_token": "<s>"})


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ([{"role": "user"}], ValueError, r"prompts\[0\]\[0\]: a message must have a 'content'"),
        ([TALK[0], "text"], TypeError, r"prompts\[0\]\[1\]: must be a message"),
        ([TALK[:1], [1, 2]], TypeError, r"prompts\[0\]"),
    ],
)
def test_what_is_no_conversation(
    folder: Path, prompt: object, error: type[Exception], message: str
) -> None:
    lm = contlm.Interpolator.from_pretrained(folder, {})
    with pytest.raises(error, match=message):
        lm.generate(prompt)  # type: ignore[arg-type]


def test_refusals(text_lm: contlm.Interpolator) -> None:
    with pytest.raises(ValueError, match="messages need a chat template"):
        text_lm.generate(TALK)
    with pytest.raises(ValueError, match="the chat template refuses them: Roles must alternate"):
        ChatTemplate(STRICT, TOKENS).render([TALK[1], TALK[1]])


def test_a_template_reaches_nothing_outside() -> None:
    for attack in ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.append(1) }}"):
        with pytest.raises(ValueError, match="refuses"):
            ChatTemplate(attack).render(TALK)
