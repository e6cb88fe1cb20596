#!/usr/bin/env bash
# One task with MiniLM on the CPU: averaging IID, non-IID and partial, beside five forms of standard fine-tuning.
#
#   sweeps/offline.sh sentiment --test 600
#   PART=3 SEEDS="1 2" ROUNDS=4 sweeps/offline.sh rte --source folder/of/official/files
#
# The first argument is the task; the others go to every run. Partial averaging trains one in PART clients and makes
# PART times the rounds, so that the budget of rows x epochs is the same for all: PART must divide the clients.
. "$(dirname "$0")/common.sh"

data=$1
shift
OUT=${OUT:-log/offline-$data}
rounds=${ROUNDS:-3}
part=${PART:-2}
seeds=(${SEEDS:-1 2 3})
study "$@" << STUDY
baselines = ["centralized", "centralized-linear", "centralized-linear-keep", "centralized-swa", "centralized-large"]

[common]
data = "$data"
model = "minilm"
val_ratio = 0.1
lr_schedule = "linear"
n_iterations = $rounds

[grid]
seed = [$(IFS=,; echo "${seeds[*]}")]

[methods.iid]
lang_mix = 0.99

[methods.noniid]
lang_mix = 0.0

[methods.partial]
lang_mix = 0.0
n_iterations = $((part * rounds))
skip_evalnum = $part
frac_fit = $(python -c "print(round(1 / $part, 4))")
STUDY
