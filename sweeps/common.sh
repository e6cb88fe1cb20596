# What the batch scripts share. To be sourced from a script in this folder; leaves the shell in the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x .venv/bin/python ] && PATH="$PWD/.venv/bin:$PATH"

run() { # run NAME FLAGS...: record in $OUT/NAME, results on stdout and in $OUT/NAME.txt; what is finished is skipped
  local name=$1
  shift
  if [ -e "$OUT/$name/summary.json" ]; then
    [ "$*" = "$(cat "$OUT/$name.flags")" ] && return
    echo "$OUT/$name was run with other flags ($(cat "$OUT/$name.flags")): name another OUT, or remove it" >&2
    exit 2
  fi
  mkdir -p "$OUT"
  rm -rf "${OUT:?}/$name"
  echo "$*" > "$OUT/$name.flags"
  echo "== $name: python main_lm.py $*" >&2
  python main_lm.py "$@" --run_dir "$OUT/$name" | tee "$OUT/$name.txt"
}

report() { # report FLAGS...: what averaging gained in all runs of $OUT, as tables on stdout
  echo
  python report.py "$OUT" "$@"
}
