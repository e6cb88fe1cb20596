"""The name of a run's kind: what of its flags is in the names of folders, records and reports."""

from typing import Any

from utils.flags import in_a_name


def method_name(config: Any) -> str:
    """Return the kind of a run of the RunConfig `config`: its rows, then what is not at its default.

    The rows: iid, noniid, mix<m>, or another partitioner with its flags, as dirichlet0.5, then -partial<f> if clients
    are sampled, or only<k>- before it if client k is alone; or centralized, centralized-large with large batches.

    Then the strategy with those of its flags that are not at their defaults, as -fedavgm0.5, if it is not the default
    one, -matched if its step is rescaled, what is trained if that is not all, as -lora8 or -head, -linear and
    -warmup<part> by the schedule of the learning rate, -client_swa or -client_ema if clients average their steps, and
    -keep if their moments are kept.
    """
    usual = type(config)
    word = {0.0: "noniid", 0.99: "iid"}.get(config.lang_mix, f"mix{config.lang_mix:g}")
    if config.partitioner != usual.partitioner:
        word = config.partitioner + in_a_name(config.partitioner_flags, first_always=True)
    if config.centralized:
        word = "centralized" + "-large" * config.large_batch
    elif config.only_client >= 0:
        word = f"only{config.only_client}-{word}"
    elif config.frac_fit < 1:
        word += f"-partial{config.frac_fit:g}"
    if config.strategy != usual.strategy:
        word += f"-{config.strategy}{in_a_name(config.strategy_flags)}"
    word += "-matched" * config.match_norm
    if config.train != usual.train:
        word += f"-{config.train}{in_a_name(config.train_flags, first_always=True)}"
    word += "-linear" * (config.lr_schedule == "linear")
    if config.warmup_ratio:
        word += f"-warmup{config.warmup_ratio:g}"
    if config.client_average != "none":
        begins = config.client_average_from
        word += f"-client_{config.client_average}{f'{begins:g}' if begins != usual.client_average_from else ''}"
    return word + "-keep" * (config.optimizer_state == "keep")
