"""A PEFT adapter as a model: what it adds to its base's weights (LoRA: Hu et al. 2021, arXiv:2106.09685), merged."""

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedModel

from utils.console import NOTES
from utils.errors import UserError, in_short, quoted
from utils.model.local import ADAPTER_CONFIG
from utils.model.task_head import FormerHead
from utils.model.trust import check_adapter_names, json_object
from utils.model.weights import in_body, lacking

CONFIG, WEIGHTS = ADAPTER_CONFIG, "adapter_model.safetensors"
PREFIX = "base_model.model."  # of the weights' names in an adapter's file
TYPES = ("LORA", "LOHA", "LOKR", "IA3")  # what they learn is a change of the base's matrices
#: options that say what is added and where
_SHAPING = ("alpha", "alpha_pattern", "bias", "decompose_both", "decompose_factor", "exclude_modules", "fan_in_fan_out",
            "feedforward_modules", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias",
            "modules_to_save", "peft_type", "r", "rank_pattern", "target_modules", "use_dora", "use_effective_conv2d",
            "use_rslora")
#: options of training and of other programs
_PASSED_OVER = ("auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "inference_mode", "lora_dropout",
                "module_dropout", "peft_version", "rank_dropout", "rank_dropout_scale", "revision", "runtime_config",
                "task_type")
_STARTS = ("init_lora_weights", "init_weights", "init_ia3_weights")
_PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva", "lycoris")  # those that leave the base as it is


@dataclass(frozen=True)
class Adapter:
    """The adapter in `folder`, with the `options` of its adapter_config.json; `asked` is the flag that names it."""

    asked: str
    folder: Path
    options: dict[str, Any]

    @classmethod
    def of(cls, asked: str, folder: Path) -> "Adapter | None":
        """Return the adapter in a folder; None where that holds none. Raises UserError for one that cannot be used."""
        if not os.path.isfile(folder / CONFIG):
            return None
        adapter = cls(asked, folder, json_object(asked, folder / CONFIG))
        kind, base = adapter.options.get("peft_type"), adapter.options.get("base_model_name_or_path")
        if kind not in TYPES:
            raise UserError(f"{asked}: a PEFT adapter of the type {quoted(kind)} does not merge into its model; those "
                            f"that do: {', '.join(TYPES)}")
        if not base or type(base) is not str:
            raise UserError(f"{asked}: its {CONFIG} does not say which model it was made for: write that into "
                            "base_model_name_or_path")
        return adapter

    @property
    def base(self) -> str:
        """The model that it was made for: a folder, or a hub id, with @REV if it says so."""
        name, revision = self.options["base_model_name_or_path"], self.options.get("revision")
        return f"{name}@{revision}" if revision and not os.path.exists(name) else name

    def check_family(self, family: str, of_base: str) -> None:
        """Raise UserError where the config.json beside it is of another `family` of models than its base's."""
        if family != of_base:
            raise UserError(f"{self.asked}: is an adapter of a {family} model, and its base {quoted(self.base)} is a "
                            f"{of_base} model: give the base that it was made for")

    def merge(self, model: PreTrainedModel, found: Mapping[str, Any], former: FormerHead,
              above: tuple[str, ...] = ()) -> tuple[dict[str, Any], FormerHead]:
        """Add it to `model`, its base, in place; return (transformers' loading info, what is known of the head).

        They are `found` and `former` as they are then: a head of other shapes than the model's is left out, and counts
        as mismatched; where no config.json beside the adapter describes its head, the base's labels do, if they are the
        task's, and else none. Raises UserError for weights that are not those of adapter_config.json on this base.
        """
        from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

        check_adapter_names(self.asked, os.listdir(self.folder))
        frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
        given = {key: w for key, w in self._weights().items() if not key.removeprefix(PREFIX).startswith(above)}
        names = {name for name, _ in model.named_parameters() if PREFIX + name in given and not in_body(model, name)}
        with warnings.catch_warnings(action="ignore"):
            try:
                with torch.device("meta"):  # whatever size the options ask for
                    whole = PeftModel(model, self._config(names), low_cpu_mem_usage=True)
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                raise UserError(f"{self.asked}: peft does not take its {CONFIG} for a {model.config.model_type} model "
                                f"({in_short(error)})") from error
            needed = get_peft_model_state_dict(whole, save_embedding_layers=False)
            known = get_peft_model_state_dict(whole, save_embedding_layers=True)
            misfit = self._check(model, given, needed, known)
            used = {key: given[key] for key in given.keys() & known.keys() - misfit}
            set_peft_model_state_dict(whole, {key: needed[key] for key in misfit} | used, low_cpu_mem_usage=True)
            whole.merge_and_unload()
        for name, p in model.named_parameters():
            p.requires_grad_(name not in frozen)
        model.eval()
        brought = {key.removeprefix(PREFIX) for key in used}
        lacked = {key.removeprefix(PREFIX) for key in misfit}
        here = {**found, "missing_keys": lacking(found) - brought,
                "mismatched_keys": [(name, given[PREFIX + name].shape, needed[PREFIX + name].shape) for name in lacked]}
        described = former.order is not None or os.path.isfile(self.folder / "config.json")
        if described or all(in_body(model, name) for name in brought):
            return here, former
        outputs = range(model.config.num_labels)
        return here, FormerHead(tuple(map(str, outputs)), [*outputs])

    def _weights(self) -> dict[str, torch.Tensor]:
        """Return its weights, in float32, by PEFT's names. Raises UserError where their file cannot be read."""
        try:
            return {key: tensor.float() for key, tensor in load_file(self.folder / WEIGHTS).items()}
        except (SafetensorError, OSError) as error:
            raise UserError(f"{self.asked}: {WEIGHTS} cannot be read ({in_short(error)}): give the whole file"
                            ) from error

    def _check(self, model: PreTrainedModel, given: Mapping[str, torch.Tensor], needed: Mapping[str, torch.Tensor],
               known: Mapping[str, torch.Tensor]) -> set[str]:
        """Return which of the `given` weights are a head of another shape.

        Raises UserError unless all else is there, and fits; notes the heads of other models.
        """
        def first(keys: set[str]) -> str:
            return f"{len(keys)} of its weights, first {min(keys).removeprefix(PREFIX)}"

        def of_body(key: str) -> bool:
            return in_body(model, key.removeprefix(PREFIX))

        if missing := needed.keys() - given.keys():
            raise UserError(f"{self.asked}: {WEIGHTS} lacks {first(missing)}, by its {CONFIG} and the base "
                            f"{quoted(self.base)}: give the whole adapter, with its own base")
        strange = given.keys() - known.keys()
        if lost := {key for key in strange if of_body(key)}:
            raise UserError(f"{self.asked}: its base {quoted(self.base)} with its {CONFIG} has no place for "
                            f"{first(lost)}: give the whole adapter, with its own base")
        if strange:
            NOTES.info("%s: its weights for other tasks are left out: %s", self.asked,
                       ", ".join(sorted(key.removeprefix(PREFIX) for key in strange)))
        misfit = {key for key in given.keys() & known.keys() if given[key].shape != known[key].shape}
        for key in sorted(misfit):
            if of_body(key) or key not in needed:
                raise UserError(f"{self.asked}: {key.removeprefix(PREFIX)} in {WEIGHTS} has the shape "
                                f"{[*given[key].shape]}, and its base {quoted(self.base)} takes {[*known[key].shape]}: "
                                "give the base that it was made for")
        return misfit

    def _config(self, head: Iterable[str]) -> Any:
        """Return PEFT's configuration: of the options, those that shape the adapter, which brings the weights `head`.

        Older versions of PEFT write a classifier's head without naming it in modules_to_save.
        Others could have PEFT import a package, read a file or change the base; raises UserError where one is set.
        """
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

        kind = PEFT_TYPE_TO_CONFIG_MAPPING[self.options["peft_type"]]
        shaping = {key: value for key, value in self.options.items() if key in _SHAPING}
        default = kind(**{key: shaping[key] for key in ("target_modules", "feedforward_modules") if key in shaping})
        for key, value in self.options.items():
            plain = value in (_PLAIN_STARTS if key in _STARTS else (None, False, {}, getattr(default, key, None)))
            if key not in (*_SHAPING, *_PASSED_OVER) and not plain:
                raise UserError(f"{self.asked}: {key} {quoted(value)} in its {CONFIG}: such an adapter cannot be "
                                "merged here; merge it with peft: merge_and_unload()")
        named = shaping.pop("modules_to_save", None) or []
        named = [named] if isinstance(named, str) else named
        modules = {name.rpartition(".")[0] for name in head if not any(within(name, each) for each in named)}
        return kind(**shaping, modules_to_save=[*named, *sorted(modules)] or None, inference_mode=True)


def within(name: str, module: str) -> bool:
    """Return whether a weight is of what `modules_to_save` calls `module`: all in modules whose names end so."""
    ends = [i for i, letter in enumerate(name) if letter == "."]
    return any(name[:end].endswith(module) for end in ends)
