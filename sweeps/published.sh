#!/usr/bin/env bash
# The three published experiments over seeds 1 to 5.
#
#   sweeps/published.sh                                       as published: two GPUs and the model hub
#   BERT=minilm T5=some/folder N_GPUS=0 sweeps/published.sh   without them
#
# Further arguments go to every run, e.g. `sweeps/published.sh --test 200`.
. "$(dirname "$0")/common.sh"

cola() {
  echo "
data = 'cola'
model = '${BERT:-bert-large-uncased}'
frac_fit = 1.0
batch_size = 16
batch_accum = 2
lang_mix = 0.99
n_iterations = 5
lr = 1e-5"
}

OUT=${OUT:-log/published}
seeds=(${SEEDS:-1 2 3 4 5})
study "$@" << STUDY
[common]
n_cpu = 1.0
n_gpus = ${N_GPUS:-2}

[grid]
seed = [$(IFS=,; echo "${seeds[*]}")]

[methods.cola-central]
$(cola)
epoch = 1
centralized = true

[methods.cola-iid]
$(cola)
epoch = 2

[methods.mnli-partial]
data = "mnli"
model = "${T5:-t5-base}"
frac_fit = 0.4
epoch = 1
batch_size = 32
batch_accum = 1
lang_mix = 0.0
n_iterations = 3
lr = 2e-5
STUDY
