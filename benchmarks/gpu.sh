#!/usr/bin/env bash
# bash benchmarks/gpu.sh pack     where there is a network: put the wheels that a bare machine lacks into build/wheels
# bash benchmarks/gpu.sh [...]    there: install what it lacks of them, and run python -m benchmarks.gpu with these options
#
# PYTHON names the interpreter that has torch (python3). Nothing is installed into it: the wheels go to a folder of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=build/wheels
packages="annotated-types polars polars-runtime-32 pydantic pydantic_core structlog typing_extensions typing-inspection zstandard"

if [ "${1:-}" = pack ]; then
  shift
  version=${TARGET_PYTHON:-3.12} platforms=
  for glibc in 2_28 2_27 2_24 2_17; do platforms="$platforms --platform manylinux_${glibc}_x86_64"; done
  pinned=
  for name in ${*:-$packages}; do pinned="$pinned $(grep -i "^${name}==" constraints.txt)"; done
  mkdir -p "$wheels"
  # shellcheck disable=SC2086
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
    $platforms --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --dest "$wheels" $pinned
  du -sh "$wheels"
  exit
fi

if [ -d "$wheels" ]; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl ||
    echo "The wheels in $wheels cannot be installed: what is missing is said in the JSON files" >&2
  export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
"$python" -m benchmarks.gpu "$@"
