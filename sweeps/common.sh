# What the batch scripts share. To be sourced from a script in this folder; leaves the shell in the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x .venv/bin/python ] && PATH="$PWD/.venv/bin:$PATH"

study() { # study FLAGS...: run the study on stdin (sweeps/study.py says what is in one), records in $OUT; results and the
          # report's tables on stdout. What is finished is skipped, what was cut off goes on.
  python sweeps/run.py - --out "$OUT" --results "$@"
}
