#!/usr/bin/env bash
# Run every check, cheapest first; pytest and its summary come last. Arguments go to pytest.
# All checks run even when one fails; the exit code is not zero when any did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/env.sh

# Small arrays gain nothing from threads, and processes of a test share the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

failed=()
check() {
    local name="$1"
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed+=("$name")
}
check "lint" ruff check .
check "format" ruff format --check .
check "types" scripts/check_types.sh
check "import rules" scripts/check_imports.sh
# The network's tests run in a process of their own: Triton, which comes with torch, and the software renderer each bring
# an LLVM, and a process that loads both may crash.
check "network tests" python -m pytest -m "not train" tests/unit/tracegen_model "$@"
check "tests" scripts/with_own_domain.sh python -m pytest --durations=15 -m "not train" --ignore=tests/unit/tracegen_model "$@"

if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'Failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
