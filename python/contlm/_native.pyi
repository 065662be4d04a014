"""The native core. Python converts and forwards; defaults live in C++ (csrc/engine/options.h)."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

__version__: str

class AdapterError(ValueError):
    """A PEFT adapter that cannot be used."""

class CheckpointError(ValueError):
    """A base model, its weights or its configuration that cannot be used."""

class TensorSource:
    """Named tensors, wherever they lie: files mapped into memory, or tensors that the caller
    holds."""

    @staticmethod
    def open_safetensors(file: str | PathLike[str]) -> TensorSource: ...
    @staticmethod
    def open_checkpoint(directory: str | PathLike[str]) -> TensorSource: ...
    @staticmethod
    def from_tensors(tensors: dict[str, torch.Tensor], where: str) -> TensorSource: ...
    def names(self) -> list[str]: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def tensor(self, name: str) -> torch.Tensor: ...
    def __contains__(self, name: str) -> bool: ...

class PeftAdapter:
    """What the reader found: modules by name, and warnings."""

    @property
    def warnings(self) -> list[str]: ...
    def modules(self) -> dict[str, dict[str, Any]]:
        """module -> {"r", "scaling", "A", "B", "bias"}; A [r, in], B [out, r], bias [out] or
        None."""

# (field, patterns, names, where) -> for each pattern, the indices of the names that it matches
_NameMatcher = Callable[[str, Sequence[str], Sequence[str], str], list[list[int]]]

def read_peft_adapter(
    directory: str | PathLike[str],
    modules: dict[str, tuple[str, int, int]],
    match_names: _NameMatcher,
    output_head: str = "",
    name: str = "",
    weights: dict[str, torch.Tensor] = ...,
) -> PeftAdapter:
    """modules: name -> (kind "linear"|"conv1d"|"embedding", in, out) of the base.
    match_names: contlm.target_patterns.match_names.
    weights: the base's own, by module, which the copies that PEFT saves must equal."""

class GenerateOptions:
    """Options of Engine.generate; keyword arguments override the defaults, unknown ones are a
    TypeError."""

    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    num_return_sequences: int
    eos_token_ids: list[int]
    stop_strings: list[str]
    seed: int
    mode: str
    def __init__(self, **options: Any) -> None: ...

class Engine:
    """A base model, its anchors and everything that runs on them. Thread-safe after
    construction."""

    def __init__(
        self,
        config: str,
        weights: TensorSource,
        *,
        where: str = "model",
        dtype: str = "auto",
        device: str = "cpu",
        threads: int = 0,
        max_rows: int = 0,
    ) -> None:
        """config: the text of config.json. dtype: "auto" | "float32" | "bfloat16". 0: chosen
        natively."""

    def add_adapter(
        self, name: str, directory: str | PathLike[str], match_names: _NameMatcher
    ) -> list[str]:
        """Reads a PEFT adapter as the next anchor; returns the reader's warnings."""

    def add_adapter_tensors(
        self, name: str, config: str, tensors: TensorSource, where: str, match_names: _NameMatcher
    ) -> list[str]: ...
    @property
    def anchors(self) -> list[str]: ...
    @property
    def model_type(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def max_rows(self) -> int: ...
    def modules(self) -> dict[str, tuple[str, int, int]]: ...
    def set_token_bytes(self, token_bytes: Sequence[bytes]) -> None:
        """The bytes that each token id adds to a text (b"" for special tokens): what stop strings
        are matched on."""

    def logits(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        coefficients: npt.NDArray[np.float64],
        mode: str = "auto",
    ) -> torch.Tensor:
        """input_ids [B, T] int64, attention_mask [B, T], coefficients [B, K] -> [B, T, V]
        float32."""

    def target_nll(
        self,
        sequences: Sequence[Sequence[int]],
        first_target: Sequence[int],
        coefficients: npt.NDArray[np.float64],
        mode: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """-log p of tokens first_target[i], ... of sequence i given those before, float32, sequence
        after sequence; coefficients [N, K]. on_progress(done, total) counts tokens."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        coefficients: npt.NDArray[np.float64],
        options: GenerateOptions,
        on_progress: Callable[[int, int], None] | None = None,
        on_tokens: Callable[[list[tuple[int, int]]], None] | None = None,
    ) -> tuple[list[list[int]], list[str], dict[str, Any]]:
        """coefficients [P, K], or a schedule [P, steps, K]: a row per prompt. Returns the new
        tokens of every row (prompt-major, then return sequence), why each ended ("eos" | "length" |
        "stop"), and the stats. on_progress(done, total) counts new tokens; on_tokens gets the
        (row, token) pairs of one step."""

    def save_merged(
        self, directory: str | PathLike[str], coefficients: npt.NDArray[np.float64], dtype: str = ""
    ) -> bool:
        """Writes model.safetensors (sharded with an index past 5 GB) in `dtype` ("" keeps the
        checkpoint's). True when tied
        embeddings had to be untied, which config.json must then say. The caller writes config and
        tokenizer."""

    def save_adapter(
        self, directory: str | PathLike[str], coefficients: npt.NDArray[np.float64], rank: int = 0
    ) -> None:
        """Writes one PEFT adapter: rank 0 concatenates (exact), otherwise QR + SVD truncates to
        `rank`."""

    def gram(self) -> torch.Tensor:
        """[K, K] float64 inner products of the anchors' deltas, in low-rank form."""

class Classifier:
    """A RoBERTa sequence classifier."""

    def __init__(
        self,
        config: str,
        weights: TensorSource,
        *,
        where: str = "classifier",
        dtype: str = "auto",
        device: str = "cpu",
        threads: int = 0,
    ) -> None: ...
    @property
    def num_labels(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    def logits(self, input_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids with their special tokens, one list per text, of any lengths -> [N, num_labels]
        float32."""

class SequenceClassifiers:
    """Classifiers that are adapters on an engine's base, which they share; none at first."""

    def __init__(self, engine: Engine) -> None: ...
    def add_adapter(self, directory: str | PathLike[str], match_names: _NameMatcher) -> list[str]:
        """Reads a PEFT adapter of task_type SEQ_CLS with its `score` head as the next classifier;
        returns the reader's warnings."""

    def add(self, other: SequenceClassifiers) -> None:
        """Takes over another's classifiers on the same base; their factors are shared."""

    @property
    def num_labels(self) -> list[int]: ...
    @property
    def context_length(self) -> int: ...
    def logits(self, input_ids: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Token ids, one list per text, of any lengths -> [N, num_labels] float32 of each
        classifier, at every text's last token, in one pass."""

def dist_n(texts: Sequence[str], group: Sequence[int], n: int) -> float:
    """The mean over groups of distinct n-grams over words."""

def self_bleu(texts: Sequence[str], group: Sequence[int], n: int) -> float:
    """The mean over groups of the mean BLEU-n of each text against the others."""

def build_info() -> dict[str, Any]:
    """What this module was built from and runs on: versions, compiler, CPU capability, threads."""

def cpu_capability() -> str:
    """The instruction set that the CPU kernels use: "default" | "avx2" | "avx512"."""

class _testing:
    """A submodule: parts of the core that the package reaches only from C++, for tests."""

    class HfConfig:
        """config.json with typed access; CheckpointError names the file and the field."""

        def __init__(self, text: str, where: str) -> None: ...
        @property
        def where(self) -> str: ...
        def model_type(self) -> str: ...
        def architectures(self) -> list[str]: ...
        def has(self, key: str) -> bool: ...
        def require_int(self, key: str) -> int: ...
        def get_int(self, key: str, fallback: int) -> int: ...
        def get_float(self, key: str, fallback: float) -> float: ...
        def get_bool(self, key: str, fallback: bool) -> bool: ...
        def get_string(self, key: str, fallback: str) -> str: ...
        def get_object(self, key: str) -> _testing.HfConfig | None: ...
        def get_strings(self, key: str) -> list[str]: ...
        def get_floats(self, key: str) -> list[float]: ...

    @staticmethod
    def write_safetensors(
        file: str | PathLike[str],
        tensors: dict[str, torch.Tensor],
        metadata: dict[str, str] | None = None,
    ) -> None: ...
    @staticmethod
    def read_peft_adapter_tensors(
        config: str,
        tensors: TensorSource,
        modules: dict[str, tuple[str, int, int]],
        match_names: _NameMatcher,
        output_head: str = "",
        name: str = "",
        where: str = "adapter",
        weights: dict[str, torch.Tensor] = ...,
    ) -> PeftAdapter: ...
    @staticmethod
    def write_peft_adapter(
        directory: str | PathLike[str],
        factors: dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]],
        modules: dict[str, tuple[str, int, int]],
        name: str = "",
    ) -> None:
        """factors: module -> (A [r, in], B [out, r], bias [out] or None), scaling included."""

    @staticmethod
    def merged_weight(
        engine: Engine, module: str, coefficients: npt.NDArray[np.float64]
    ) -> torch.Tensor:
        """W0 + sum_k c_k D_k of one module, [out, in] float32 (embeddings [vocab, dim])."""

    @staticmethod
    def cpu_capabilities() -> list[str]:
        """Those that this processor can run."""

    @staticmethod
    def set_cpu_capability(name: str) -> None: ...
    @staticmethod
    def philox_4x32_10(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
    @staticmethod
    def philox_uniform(seed: int, row_key: int, step: int) -> float: ...
