"""The result lines of a run: one for each evaluation set that a round has, and a closing one."""

from utils.record.result_lines import print_round, print_summary

RESULT = {"rows": 4, "loss": 0.51234, "f1": 0.25, "accuracy": 0.5,
          "pooled": {"loss": 0.525, "f1": 0.375, "accuracy": 0.75},
          "domains": {"a": {"rows": 3, "loss": 0.5, "f1": 0.5, "accuracy": 1.0},
                      "b": {"rows": 1, "loss": 0.6, "f1": 0.0, "accuracy": 0.0}}}
NUMBERS = {"parameters": 20, "all_parameters": 1000}
VALUES = ("rows=4 loss=0.5123 f1=0.2500 accuracy=0.5000 pooled_f1=0.3750 pooled_accuracy=0.7500 f1[a]=0.5000 "
          "f1[b]=0.0000 accuracy[a]=1.0000 accuracy[b]=0.0000")


def test_one_line_for_each_evaluation(tmp_path, capsys):
    print_round({"round": 0, "other": RESULT, "seconds": {}, "test": RESULT}, ["test", "other"])
    print_round({"round": 1, "participants": [0]}, ["test", "other"])  # not evaluated
    older = {key: value for key, value in RESULT.items() if key != "pooled"}
    print_round({"round": 2, "test": older}, ["test"])
    print_summary(tmp_path, {"data": "mrpc", "model": "minilm", "method": "iid", "seed": 0, "rounds": 1,
                             "test": RESULT, "other": RESULT, "best": {"round": 1},
                             "majority": {"f1": 0.8, "accuracy": 0.7, "pooled": {"f1": 0.9, "accuracy": 0.6},
                                          "rows": 4, "domains": {}}} | NUMBERS)
    assert capsys.readouterr().out.splitlines() == [
        f"round=0 split=test {VALUES}", f"round=0 split=other {VALUES}",
        "round=2 split=test rows=4 loss=0.5123 f1=0.2500 accuracy=0.5000 f1[a]=0.5000 f1[b]=0.0000 "
        "accuracy[a]=1.0000 accuracy[b]=0.0000",
        f"summary data=mrpc model=minilm method=iid seed=0 rounds=1 trained=20/1000 best_round=1 {VALUES} "
        f"majority_f1=0.8000 majority_accuracy=0.7000 majority_pooled_f1=0.9000 majority_pooled_accuracy=0.6000 "
        f"run={tmp_path}"]
