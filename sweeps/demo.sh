#!/usr/bin/env bash
# The main job on real rows, offline, in 75 seconds: standard fine-tuning at a constant and at a decayed rate, then
# parameter averaging IID, non-IID and partial, at the same budget of rows x epochs. Run by `make demo`. Arguments go to
# every run.
. "$(dirname "$0")/common.sh"

OUT=${OUT:-log/demo-$(date +%Y%m%d-%H%M%S)}
# Half of the clients a round: twice the rounds.
study "$@" << STUDY
baselines = ["centralized", "centralized-linear"]

[common]
data = "sentiment"
model = "minilm"
test = 200
val_ratio = 0.1
epoch = 1
batch_size = 16
lr = 2e-4
lr_schedule = "linear"
seed = 1
n_iterations = 2

[methods.iid]
lang_mix = 0.99

[methods.noniid]
lang_mix = 0.0

[methods.partial]
lang_mix = 0.0
frac_fit = 0.5
n_iterations = 4
skip_evalnum = 2
STUDY
