"""Flags of a run that contradict or need one another, in one order: the first check that fails is the message."""

from typing import Any

from utils.errors import UserError
from utils.plugins import STRATEGIES


def check_together(config: Any) -> None:
    """Raise UserError, naming the flags, where values of the RunConfig `config` do not go together."""
    usual = type(config)
    if config.n_gpus == 0 and config.gpus_per_client != 1.0:
        raise UserError(f"--gpus_per_client {config.gpus_per_client:g}: needs --n_gpus above 0")
    if config.n_gpus and config.gpus_per_client > config.n_gpus:
        raise UserError(f"--gpus_per_client {config.gpus_per_client:g}: more than --n_gpus {config.n_gpus}")
    if config.gpus_per_client > 1 and not config.gpus_per_client.is_integer():
        raise UserError(f"--gpus_per_client {config.gpus_per_client:g}: above 1 it must be a whole number")
    if config.n_gpus and config.fp32_products == "onednn":
        raise UserError("--fp32_products onednn: is a library for CPUs; leave it out, or give --n_gpus 0")
    if config.compile and config.fp32_products == "onednn":
        raise UserError("--fp32_products onednn and --compile contradict each other: a compiled model has "
                        "products of its own; give one of them")
    if config.partitioner != usual.partitioner and config.lang_mix:
        raise UserError(f"--partitioner {config.partitioner} and --lang_mix {config.lang_mix:g} contradict each other: "
                        "give one of them")
    if config.large_batch and not config.centralized:
        raise UserError("--large_batch: is a baseline of one client; give --centralized, too")
    if config.only_client >= 0 and (config.centralized or config.frac_fit < 1):
        other = "--centralized" if config.centralized else f"--frac_fit {config.frac_fit:g}"
        raise UserError(f"--only_client {config.only_client} and {other} contradict each other: give one of them")
    if wrong := STRATEGIES.load(config.strategy).against(config):
        raise UserError(wrong)
    if config.client_average == "none" and config.client_average_from != usual.client_average_from:
        raise UserError(f"--client_average_from {config.client_average_from:g}: needs --client_average swa or ema")
    if config.diagnose and not config.val_ratio:
        raise UserError(f"--diagnose {config.diagnose}: measures losses on held-out rows, and there are none; give "
                        "--val_ratio above 0, too")
    if config.diagnose and "," in getattr(config.train_flags, "lora_r", ""):
        raise UserError(f"--diagnose {config.diagnose}: adapters of different ranks have no mean; give one --lora_r, "
                        "or leave it out")
    if config.hub_public and not config.push_to_hub:
        raise UserError("--hub_public: there is nothing to send; name the repository by --push_to_hub NAME/REPO")
    if config.random_init and config.load_model:
        raise UserError("--random_init and --load_model contradict each other: give one of them")
    if config.push_to_hub and config.save_model == "none":
        raise UserError(f"--push_to_hub {config.push_to_hub} and --save_model none contradict each other: there is no "
                        "model to send; give one of them")
