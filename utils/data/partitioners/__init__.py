"""Ways to cut rows into shards other than `lang_mix`: each file NAME.py here is what `--partitioner NAME` takes.

A file defines `partitioner(config, spec, n_clients)`, which returns a partitioner with the interface of flwr-datasets'
(`dataset`, `num_partitions`, `load_partition`), so theirs plug in. A frozen dataclass `Flags`
beside it declares its own flags (utils/flags.py), whose values are `config.partitioner_flags`.
"""
