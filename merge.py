"""Merge finished models by a method of strategies/, and evaluate what comes out beside each of them.

    python merge.py log/a log/b --strategy ties --density 0.2 --out log/merged                    writes the model
    python merge.py log/a log/b --strategy ties --out log/merged --data sentiment --test 100      and evaluates all

The table goes to stdout, everything else to stderr; `--help` lists all flags. Exit code 0: done; 1: a fault of the
program; 2: the input is wrong; 3: a model's loss is no finite number; 130: interrupted.
"""

from pathlib import Path

import preprocess.common as preprocess
from merging.flags import Asked, parse
from utils.console import NOTES
from utils.machine.ending import exit_code
from utils.machine.new_folder import new_folder
from utils.machine.process import run_program
from utils.machine.workers import check_machine, quiet_environment


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    asked = parse(argv, preprocess.task_names())

    def work() -> None:
        quiet_environment(own_ray=True)
        merge(asked)

    return exit_code("merge.py", work, lambda error: f"--out {asked.flags.out}: {error.strerror}: free some space, or "
                                                     "name another folder", "nothing is written")


def merge(asked: Asked) -> None:
    """Open the models, merge them, evaluate the result and each of them if that is asked for, give it its name."""
    check_machine(asked.config)
    from merging.card import write_card  # heavy imports wait: --help and a wrong flag answer at once
    from merging.evaluation import Evaluator
    from merging.measuring import measured
    from merging.plan import plan_of
    from merging.table import tables_of
    from merging.write import write_model
    from reports.tables import markdown

    config, out = asked.config, Path(asked.flags.out)
    with new_folder(out) as folder:
        plan = plan_of(asked, folder.parent)
        evaluator = Evaluator.of(config, plan.fitted.frame, plan.models) if asked.flags.data else None
        of_models = measured(evaluator, plan.models, folder.parent) if evaluator else None
        done = write_model(plan, config, folder, measured=of_models)
        if done and done.step.ratio is not None:
            cosine = "" if done.step.cosine is None else f", cosine {done.step.cosine:.4f}"
            NOTES.info("merged by %s: %.4f times as long as the mean of the updates%s", config.strategy,
                       done.step.ratio, cosine)
        evaluated = None
        if evaluator:
            parents = evaluator.parents(plan.models)
            results = {(called := f"merged by {config.strategy}"): evaluator.results(str(folder), called)}
            if config.strategy != "averaging":
                mean = folder.with_name("mean")
                mean.mkdir()
                write_model(plan, config, mean, "averaging")
                results["their mean"] = evaluator.results(str(mean), "their mean")
            evaluated = evaluator.evaluated(results | parents)
        write_card(folder, plan, config, done, evaluated)
    if evaluated:
        print("\n\n".join(map(markdown, tables_of(evaluated))))
    NOTES.info("merge.py: wrote %s, merged by %s", out, config.strategy)


if __name__ == "__main__":
    run_program(main)
