#!/usr/bin/env bash
# One task with MiniLM on the CPU: standard fine-tuning in both its forms, averaging IID, non-IID and partial.
#
#   sweeps/offline.sh sentiment --test 600
#   SEEDS="1 2 3" ROUNDS=4 sweeps/offline.sh rte --source folder/of/official/files
#
# The first argument is the task; the others go to every run. Partial averaging trains half of the clients, so it
# makes twice the rounds: the budget of rows x epochs is the same for all.
. "$(dirname "$0")/common.sh"

data=$1
shift
OUT=${OUT:-log/offline-$data}
rounds=${ROUNDS:-4}
for seed in ${SEEDS:-1 2 3}; do
  common=(--data "$data" --model minilm --seed "$seed")
  run "central-$seed" "${common[@]}" --n_iterations "$rounds" --centralized "$@"
  run "central-keep-$seed" "${common[@]}" --n_iterations "$rounds" --centralized --optimizer_state keep "$@"
  run "iid-$seed" "${common[@]}" --n_iterations "$rounds" --lang_mix 0.99 "$@"
  run "noniid-$seed" "${common[@]}" --n_iterations "$rounds" --lang_mix 0.0 "$@"
  run "partial-$seed" "${common[@]}" --n_iterations $((2 * rounds)) --skip_evalnum 2 --lang_mix 0.0 --frac_fit 0.5 "$@"
done
compare
compare --baseline centralized-keep
