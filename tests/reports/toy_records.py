"""Run records written by hand."""

import json


def write_run(folder, method, seed, scores, *, model="m", names="ab", shards=({"a": 6},), facts=None, rows_trained=24,
              clients=({"rows": 6},), **flags):
    """A finished run of two rounds whose domains have the final `scores`; `facts` go to config.json."""
    folder.mkdir(parents=True)

    def result(factor):
        domains = {name: {"rows": 10, "loss": 0.5, "accuracy": factor * score} for name, score in zip(names, scores)}
        return {"rows": 20, "loss": 0.5, "accuracy": factor * sum(scores) / len(scores), "domains": domains}

    clients = list(clients)
    rounds = [{"round": 0, "clients": [], "test": result(0.5), "seconds": {"rows": 1.0}},
              {"round": 1, "clients": clients, "seconds": {"train": 2.0}},
              {"round": 2, "clients": clients, "test": result(1.0), "seconds": {"train": 2.0, "evaluate": 1.0}}]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    flags = {"data": "toy", "seed": seed, "epoch": 2, "lr": 1e-4, "test": 0, "test_split": "", "max_length": 9,
             "n_iterations": 2, "model": model} | flags
    (folder / "config.json").write_text(json.dumps({
        "method": method, "flags": flags, "shards": list(shards), "data_fingerprint": flags["data"]} | (facts or {})))
    (folder / "summary.json").write_text(json.dumps({
        "data": flags["data"], "model": model, "method": method, "seed": seed, "rows_trained": rows_trained,
        "test": result(1.0),
        "majority": {"accuracy": 0.5, "domains": {name: {"accuracy": 0.4} for name in names}}}))
    return folder


def write_study(folder):
    """Two seeds of standard fine-tuning, three of IID averaging: the third has no partner."""
    write_run(folder / "c1", "centralized", 1, (0.8, 0.6))
    write_run(folder / "c2", "centralized", 2, (0.7, 0.5))
    write_run(folder / "i1", "iid", 1, (0.9, 0.7), shards=({"a": 3, "b": 3}, {"a": 3, "b": 3}))
    write_run(folder / "i2", "iid", 2, (0.7, 0.5), shards=({"a": 3, "b": 3}, {"a": 3, "b": 3}))
    write_run(folder / "i3", "iid", 3, (0.1, 0.1), shards=({"a": 3, "b": 3}, {"a": 3, "b": 3}))
    return folder
