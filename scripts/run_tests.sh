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

# The network's tests compute on one core for minutes, beside all else that waits for no real time. They are a process of
# their own: Triton, which comes with torch, and the software renderer each bring an LLVM, and a process that loads both
# may crash.
network_log="$(mktemp)"
python -m pytest --durations=15 -m "not train" tests/unit/tracegen_model "$@" >"$network_log" 2>&1 &
network=$!
trap 'kill "$network" 2>/dev/null; rm -f "$network_log"' EXIT

check "types" scripts/check_types.sh
check "import rules" scripts/check_imports.sh
check "unit tests" scripts/with_own_domain.sh python -m pytest --durations=15 -m "not train" \
    --ignore=tests/unit/tracegen_model tests/unit "$@"
network_tests() {
    local code=0
    wait "$network" || code=$?
    cat "$network_log"
    return "$code"
}
check "network tests" network_tests
check "integration and system tests" scripts/with_own_domain.sh python -m pytest --durations=15 -m "not train" \
    tests/integration tests/system "$@"

if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'Failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
