# What the batch scripts share. To be sourced from a script in this folder; leaves the shell in the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x .venv/bin/python ] && PATH="$PWD/.venv/bin:$PATH"

run() { # run NAME FLAGS...: record in $OUT/NAME, results on stdout and in $OUT/NAME.txt; what is finished is skipped,
        # what was cut off goes on
  local name=$1
  shift
  mkdir -p "$OUT"
  echo "== $name: python main_lm.py $*" >&2
  python main_lm.py "$@" --run_dir "$OUT/$name" --resume | tee -a "$OUT/$name.txt"
}

report() { # report FLAGS...: what averaging gained in all runs of $OUT, as tables on stdout
  echo
  python report.py "$OUT" "$@"
}
