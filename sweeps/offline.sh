#!/usr/bin/env bash
# One task with MiniLM on the CPU: standard fine-tuning in both its forms, averaging IID, non-IID and partial.
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
for seed in ${SEEDS:-1 2 3}; do
  common=(--data "$data" --model minilm --seed "$seed")
  run "central-$seed" "${common[@]}" --n_iterations "$rounds" --centralized "$@"
  run "central-keep-$seed" "${common[@]}" --n_iterations "$rounds" --centralized --optimizer_state keep "$@"
  run "iid-$seed" "${common[@]}" --n_iterations "$rounds" --lang_mix 0.99 "$@"
  run "noniid-$seed" "${common[@]}" --n_iterations "$rounds" --lang_mix 0.0 "$@"
  run "partial-$seed" "${common[@]}" --n_iterations $((part * rounds)) --skip_evalnum "$part" --lang_mix 0.0 \
    --frac_fit "$(python -c "print(round(1 / $part, 4))")" "$@"
done
report --out "$OUT/report"
report --baseline centralized-keep
