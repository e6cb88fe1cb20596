"""Answers to made-up rows, as a run keeps them in predictions.parquet."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def accuracy_of(answers):
    """The result of an evaluation, {domain: (labels, predictions)}, as a summary has it."""
    parts = {name: float(np.mean(np.asarray(labels) == predictions)) for name, (labels, predictions) in answers.items()}
    pooled = np.concatenate([np.asarray(labels) == predictions for labels, predictions in answers.values()])
    return {"rows": len(pooled), "loss": 0.5, "accuracy": float(np.mean([*parts.values()])),
            "pooled": {"loss": 0.5, "accuracy": float(np.mean(pooled))},
            "domains": {name: {"rows": len(answers[name][0]), "loss": 0.5, "accuracy": part}
                        for name, part in parts.items()}}


def add_answers(folder, answers, name="test", commonest=1):
    """Give a finished run these answers on a set, {domain: (labels, predictions)}, and the scores that they give.

    `commonest`: the label that the majority class says.
    """
    summary = json.loads((folder / "summary.json").read_text())
    always = {domain: (labels, [commonest] * len(labels)) for domain, (labels, _) in answers.items()}
    summary[name] = accuracy_of(answers)
    if name == "test":
        summary["majority"] = accuracy_of(always)
    else:
        summary.setdefault("majority_of", {})[name] = accuracy_of(always)
    (folder / "summary.json").write_text(json.dumps(summary))
    lengths = [len(labels) for labels, _ in answers.values()]
    labels, predictions = (np.concatenate([np.asarray(each[k], float) for each in answers.values()]) for k in (0, 1))
    table = pa.table({"round": pa.array([2] * sum(lengths), pa.int32()), "set": [name] * sum(lengths),
                      "row": pa.array(range(sum(lengths)), pa.int64()), "domain": np.repeat([*answers], lengths),
                      "label": labels, "prediction": predictions, "loss": np.ones(sum(lengths))})
    path = folder / "predictions.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(path), table]) if path.exists() else table, path)
    return folder
