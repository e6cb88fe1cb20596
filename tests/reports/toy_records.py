"""Run records written by hand."""

import json

from utils.hub_names import with_layers

FLOOR = -9.0
EACH_DOMAIN = {"rows": 10, "loss": 0.5}


def result(scores, factor=1.0):
    """An evaluation whose domains have `factor` times the `scores`: {domain: score}."""
    domains = {name: EACH_DOMAIN | {"accuracy": factor * score} for name, score in scores.items()}
    return {"rows": 10 * len(domains), "loss": 0.5, "accuracy": factor * sum(scores.values()) / len(scores),
            "domains": domains}


def write_run(folder, method, seed, scores, *, facts=None, clients=({"rows": 6},), **flags):
    """A finished run of two rounds with the final `scores` of its domains, a, b, … unless a dict names them.

    `facts` go to config.json. The majority class is below all scores, so that few seeds suffice to have learnt.
    """
    folder.mkdir(parents=True)
    scores = scores if isinstance(scores, dict) else dict(zip("abc", scores))
    clients = list(clients)
    rounds = [{"round": 0, "clients": [], "test": result(scores, 0.5), "seconds": {"rows": 1.0}},
              {"round": 1, "clients": clients, "seconds": {"train": 2.0}},
              {"round": 2, "clients": clients, "test": result(scores), "seconds": {"train": 2.0, "evaluate": 1.0}}]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    flags = {"data": "toy", "seed": seed, "epoch": 2, "lr": 1e-4, "test": 0, "test_split": "", "max_length": 9,
             "n_iterations": 2, "model": "m"} | flags
    (folder / "config.json").write_text(json.dumps({
        "method": method, "flags": flags, "shards": [{"a": 6}], "data_fingerprint": flags["data"]} | (facts or {})))
    (folder / "summary.json").write_text(json.dumps({
        "data": flags["data"], "model": with_layers(flags["model"], flags.get("layers", 0)), "method": method,
        "seed": seed, "rows_trained": 24,
        "test": result(scores),
        "majority": {"accuracy": FLOOR, "domains": {name: {"accuracy": FLOOR} for name in scores}}}))
    return folder


def add_set(folder, name, scores, majority=None):
    """Give a finished run a further evaluation set with the final `scores`: {domain: score}.

    `majority`: what the commonest label gives in each of its domains; None to leave that out.
    """
    config, summary = (json.loads((folder / file).read_text()) for file in ("config.json", "summary.json"))
    rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    config["evaluation_sets"] = [*config.get("evaluation_sets", ["test"]), name]
    for record in rounds:
        if "test" in record:
            record[name] = result(scores, 1.0 if record["round"] else 0.5)
    summary[name] = result(scores)
    if majority is not None:
        summary.setdefault("majority_of", {})[name] = result(dict.fromkeys(scores, majority))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def write_study(folder):
    """Two seeds of standard fine-tuning, three of IID averaging: the third has no partner."""
    mixed = {"shards": [{"a": 3, "b": 3}, {"a": 3, "b": 3}]}
    write_run(folder / "c1", "centralized", 1, (0.8, 0.6))
    write_run(folder / "c2", "centralized", 2, (0.7, 0.5))
    write_run(folder / "i1", "iid", 1, (0.9, 0.7), facts=mixed)
    write_run(folder / "i2", "iid", 2, (0.7, 0.5), facts=mixed)
    write_run(folder / "i3", "iid", 3, (0.1, 0.1), facts=mixed)
    return folder
