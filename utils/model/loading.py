"""A pretrained model with the head its task needs, from a name or a folder; and back into a folder.

Everything here is single precision, safetensors only, and runs no code from a model's repository. Whatever
cannot be loaded is the user's to mend, so it ends as one line naming the flag that asked for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
from transformers.utils.hub import extract_commit_hash

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.task import TaskSpec
from utils.errors import UserError, quoted
from utils.hub_names import MINILM, is_path, split_revision
from utils.machine.durable import whole_folder
from utils.model.adapted import plain_state
from utils.model.adapter import CONFIG, Adapter
from utils.model.byte_order import without_marks
from utils.model.hub_model import model_folder
from utils.model.layers import above, cut_note, keep_layers, layers_of
from utils.model.literal_text import read_special_tokens_as_text
from utils.model.local import local_folder
from utils.model.model_config import load_config
from utils.model.padding import settle_padding
from utils.model.special_tokens import agree, agree_on_writing
from utils.model.task_head import adapt_head, describe_head, head_class
from utils.model.tied import untie
from utils.model.tokenizer import fit_tokenizer, load_tokenizer
from utils.model.trainable import choose_trained
from utils.model.trust import HERE_ONLY, check_weight_files, safetensors_only
from utils.model.weights import check_weights
from utils.seeds import torch_seed


@dataclass(frozen=True)
class Wanted:
    """What a run wants of a model, whatever its task."""

    name: str  #: as `resolve` takes it
    seed: int
    max_length: int  #: tokens
    random_init: bool = False  #: whether all weights are drawn from the seed
    text_to_text: bool = False  #: whether an encoder-decoder answers in words
    flag: str = "model"  #: the one that gives `name`, for messages
    commit: str = ""  #: the hub's, as `resolve` takes it
    trained: bool = False  #: whether the checkpoint must have the task's head
    training: RunConfig | None = None  #: what says which of the parameters are trained; None: all
    untied: tuple[str, ...] = ()  #: weights that `random_init` does not tie to others, whatever the configuration says
    layers: int = 0  #: the first ones that are kept; 0: all
    called: str = ""  #: what messages call it, where that is not --flag NAME

    @classmethod
    def by(cls, config: RunConfig, commit: str = "") -> "Wanted":
        """Return what the flags ask for; of the hub at `commit`, if an earlier part of the run has used one."""
        return cls(config.start, config.seed, config.max_length, config.random_init,
                   config.text_to_text, config.start_flag, commit, not config.n_iterations, config,
                   layers=config.layers)


def resolve(name: str, flag: str = "model", commit: str = "", weights: bool = True) -> str:
    """Return the folder that a user's `--model` (or another `flag`) names, for `from_pretrained`.

    `minilm` is the packaged all-MiniLM-L6-v2; a finished run's folder stands for the model in it. NAME and NAME@REV on
    the hub are a folder of its client's cache, downloaded where that lacks a file, `weights` if they are wanted; a
    `commit` that an earlier part of the run has used goes before REV.

    Raises: UserError when the package is absent, or `name` looks like a path and no model lies there, or is a run's
    folder without one, or the hub has not such a model.
    """
    if found := local_folder(name, flag):
        return found
    if is_path(name):
        raise UserError(f"--{flag} {name}: no model there (no config.json); "
                        "give minilm, a model's folder, a finished run's folder or a hub id")
    hub_id, revision = split_revision(name)
    return str(model_folder(f"--{flag} {name}", hub_id, commit or revision, weights))


def _base_of(adapter: Adapter, wanted: Wanted) -> str:
    """Return the folder of an adapter's base. Raises UserError when it is not at hand, or an adapter itself."""
    try:
        packaged = adapter.base == MINILM and local_folder("minilm")
        folder = resolve("minilm" if packaged else adapter.base, wanted.flag, weights=not wanted.random_init)
    except UserError as error:
        raise UserError(f"{adapter.asked}: a PEFT adapter of {quoted(adapter.base)}, which is not at hand: {error}; or "
                        f"write where it is into base_model_name_or_path of {adapter.folder / CONFIG}") from error
    if os.path.isfile(Path(folder) / CONFIG):
        raise UserError(f"{adapter.asked}: a PEFT adapter of {quoted(adapter.base)}, which is an adapter itself; merge "
                        "that with peft first: merge_and_unload()")
    return folder


def _having(file: str, *folders: str) -> str:
    """Return the first of some folders that has a file; the last if none has."""
    return next((folder for folder in folders if os.path.isfile(Path(folder) / file)), folders[-1])


def commit_of(model: transformers.PreTrainedModel) -> str:
    """Return the hub's commit that a loaded model is of; "" for one from a folder of one's own."""
    return getattr(model.config, "_commit_hash", None) or ""


def layers_before(model: transformers.PreTrainedModel) -> int:
    """Return how many layers a loaded model has had before `--layers` cut it; 0 where its family has no such number."""
    return model.layers_before


def has_new_head(model: transformers.PreTrainedModel) -> bool:
    """Return whether a loaded model's head, or a part of it, was drawn from the seed."""
    return model.head_is_new


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


def load(wanted: Wanted, spec: TaskSpec
         ) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerFast]:
    """Return (model, tokenizer) for a task: float32 on the CPU, in evaluation mode, padding on the right if it can.

    What `wanted.training` says is trained requires a gradient. Weights the checkpoint lacks (the task's head; with
    `random_init` all of them) are drawn from (seed, "model"): the same bits in any process, and the process's own
    random state is left as it was.

    Raises: UserError, one line, when anything does not load or fit together.
    """
    name, max_length, random_init = wanted.name, wanted.max_length, wanted.random_init
    asked = wanted.called or f"--{wanted.flag} {name}"
    found_at = resolve(name, wanted.flag, wanted.commit, weights=not random_init)
    adapter = Adapter.of(asked, Path(found_at))
    base_at = _base_of(adapter, wanted) if adapter else found_at
    with (load_errors(asked), safetensors_only(asked), quiet(), torch.random.fork_rng(devices=[]),
          without_marks(base_at) as path, without_marks(found_at) as own):
        torch.manual_seed(torch_seed(wanted.seed, "model"))
        config = load_config(asked, _having("config.json", own, path))
        if adapter:
            adapter.check_family(config.model_type, load_config(asked, path).model_type)
        whole = keep_layers(wanted.called or name, config, wanted.layers) if wanted.layers else config
        text_to_text = text_to_text_model(config, wanted.text_to_text)
        kind = "text_to_text" if text_to_text else spec.kind
        auto = head_class(asked, config, kind)
        former = describe_head(config, spec, kind)
        tokenizer = load_tokenizer(asked, _having("tokenizer_config.json", own, path) if adapter else path)
        agree(asked, config, tokenizer)
        if random_init:
            model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False).eval()
            untie(model, wanted.untied)
            dropped, left = tuple[str, ...](), 0
            new, news = set[str](), "all weights drawn from the seed"
        else:
            check_weight_files(asked, Path(path))
            model, found = auto.from_pretrained(path, config=config, dtype=torch.float32, use_safetensors=True,
                                                ignore_mismatched_sizes=True, output_loading_info=True, **HERE_ONLY)
            dropped = above(auto, whole, model) if wanted.layers else ()
            left = sum(key.startswith(dropped) for key in found["unexpected_keys"])
            check_weights(asked, model, found, adapter.base if adapter else "", dropped)
            if adapter:
                found, former = adapter.merge(model, found, former, dropped)
            new, news = adapt_head(model, auto, former, found)
        if new and wanted.trained:
            raise UserError(f"--n_iterations 0: {asked} has no head that was trained on {spec.name}: {news}; give a "
                            "model that has, or train one with --n_iterations 1")
        agree_on_writing(model, tokenizer)
        fit_tokenizer(asked, model, tokenizer)
        read_special_tokens_as_text(tokenizer)
        tokenizer.model_max_length = max_length  # the saved model is to cut rows where this run did
        limit = usable_positions(model)
        if limit is not None and max_length > limit:
            raise UserError(f"--max_length {max_length}: {wanted.called or name} reads at most {limit} tokens")
        model.config.name_or_path, tokenizer.name_or_path = found_at, name  # not the folder of a copy without marks
        settle_padding(asked, model, tokenizer, spec, text_to_text)
        model.config._commit_hash = extract_commit_hash(f"{found_at}/config.json", None)
        what = choose_trained(model, wanted.training) if wanted.training else ""
        model.layers_before, model.head_is_new = layers_of(whole), random_init or bool(new)
        cut = cut_note(model.layers_before, wanted.layers, left)
    for words in filter(None, (cut, news, what)):
        NOTES.info("%s: %s", wanted.called or name, words)
    return model, tokenizer


def save(model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast, folder: Path,
         merged: bool = True) -> None:
    """Write a folder that `AutoModel…` and `AutoTokenizer.from_pretrained` load, whole or not at all.

    Parameters may be views of one tensor, on any device: each goes out as a tensor of its own, tied ones once.
    Adapters are merged into the matrices beside them, or left out where they are not to be `merged`.
    """
    copies: dict[tuple, torch.Tensor] = {}  # one per place in memory, so that tied weights stay tied
    state = {}
    for key, tensor in plain_state(model, merged).items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if place not in copies:
            copies[place] = tensor.detach().to("cpu", copy=True)
        state[key] = copies[place]
    with whole_folder(Path(folder)) as new, quiet():
        model.save_pretrained(new, state_dict=state)
        tokenizer.save_pretrained(new)


def usable_positions(model: transformers.PreTrainedModel) -> int | None:
    """Return the longest sequence the model can read, in tokens; None when its positions are relative.

    RoBERTa's family counts positions from `padding_idx + 1`, so its table is that much shorter than it looks.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is None or limit < 1 or not getattr(model.config, "position_biased_input", True):
        return None  # T5; XLNet, which says −1; DeBERTa-v3
    for module_name, module in model.named_modules():
        if module_name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return limit - module.padding_idx - 1
    return limit


@contextmanager
def load_errors(asked: str) -> Iterator[None]:
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
        if "trust_remote_code" in str(error):
            reason = ("it needs code of its own (auto_map in config.json), and no model's code is run; give a model "
                      "of an architecture that transformers has")
        raise UserError(f"{asked}: {reason}") from error


@contextmanager
def quiet() -> Iterator[None]:
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
