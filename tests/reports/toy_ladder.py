"""A ladder of made-up runs: rungs of rising probe scores, each with answers to the same rows."""

import json
from pathlib import Path

import numpy as np

from tests.reports.toy_answers import add_answers
from tests.reports.toy_records import write_run

#: of each rung: the probe's accuracy
POWERS = {"m1": 0.60, "m2": 0.66, "m3": 0.71, "m4": 0.77, "m5": 0.82}
SETS = ("test", "ood")
LINEAR = {"lr_schedule": "linear"}
ARMS = {"centralized-linear": {"centralized": True, **LINEAR}, "iid-linear": {"lang_mix": 0.99, **LINEAR},
        "noniid-linear": LINEAR, "centralized-head-linear": {"centralized": True, "train": "head", **LINEAR}}


def card(tokens, domains=("sentiment/movie", "sentiment/product"), vocabulary=4000, seed=1, **asked):
    """What config.json says of a model that was pre-trained in miniature; `asked`: by other flags than the others."""
    flags = {"task": "sentiment", "domains": "" if len(domains) > 1 else domains[0], "layers": 2, "hidden": 128,
             "vocab": 500 if vocabulary == 500 else 4000, "objective": "distillation", "teacher": "minilm",
             "learns": "both"} | asked
    return {"objective": "distillation", "seed": seed, "tokens": tokens, "sequences": tokens // 20,
            "parameters": 910_000, "body_parameters": 396_000, "flops": 6 * 910_000 * tokens, "teacher": "minilm",
            "teacher_flops": 2 * 22_000_000 * tokens, "domains": list(domains), "vocabulary": vocabulary, "layers": 2,
            "hidden": 128, "budget": int(float(f"{tokens:.1e}")), "asked": flags}


def write_rung(folder, model, power, gains, *, seeds=(1, 2, 3), rows=300, pretraining=None):
    """Runs of one model: its probe at about `power`, fine-tuning above it, the arms of `gains` that much above that.

    `pretraining`: the card of config.json, with each run's seed. `{seed}` in `model` is the run's.
    Answers of all runs are to the same rows; a row's difficulty is the same for all models.
    """
    labels = np.random.default_rng(7).integers(0, 2, 2 * rows)
    difficulty = {name: np.random.default_rng(place).random(2 * rows) for place, name in enumerate(SETS)}
    for arm, flags in ARMS.items():
        if arm not in gains and not flags.get("centralized"):
            continue
        score = power if "head" in arm else power + 0.05 + gains.get(arm, 0.0)
        for seed in seeds:
            where = f"{Path(model).name}/{arm}-seed{seed}"
            facts = {"evaluation_sets": list(SETS), "pretraining": pretraining and pretraining | {"seed": seed}}
            path = f"log/models/seed{seed}/{model}" if pretraining else model.format(seed=seed)
            run = write_run(folder / where, arm, seed, dict.fromkeys("ab", score), facts=facts, model=path,
                            **flags)
            add_round_sets(run)
            random = np.random.default_rng([seed, len(arm), *map(ord, model)])
            for name in SETS:
                noisy = difficulty[name] + 0.05 * random.normal(size=2 * rows) + 0.01 * random.normal()
                said = np.where(noisy < score, labels, 1 - labels)
                add_answers(run, {domain: (labels[part], said[part]) for domain, part in (
                    ("a", slice(0, rows)), ("b", slice(rows, None)))}, name, commonest=1)
    return folder


def add_round_sets(run):
    """Give the rounds of a run the results on its further sets that those on test rows are."""
    lines = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    for line in lines:
        if "test" in line:
            line |= {name: line["test"] for name in SETS[1:]}
    (run / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_ladder(folder, slope=0.4, zero=0.7, powers=POWERS, **how):
    """Rungs whose gain rises by `slope` for each part of the probe's score and is 0 at `zero`."""
    for model, power in powers.items():
        gain = slope * (power - zero)
        write_rung(folder, model, power, {"iid-linear": gain, "noniid-linear": gain / 2}, **how)
    return folder
