#!/usr/bin/env bash
# Print the path of a Python 3.12 (the version ROS 2 Jazzy is built for); uv fetches one when the machine has none.
# Usage: scripts/find_python.sh ROS_PREFIX
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

candidates=()
# An installed ROS 2 keeps packages it imports (apt's python3-*) beside the system's interpreter.
[[ ${1:-} != "$PWD"/* ]] && candidates+=(/usr/bin/python3.12)
candidates+=("$(command -v python3.12 || true)" "$(command -v python3 || true)" /usr/bin/python3.12)
# pyenv keeps interpreters that its shims on PATH do not start unless selected.
for versions in "${PYENV_ROOT:-$HOME/.pyenv}/versions" "$(pyenv root 2>/dev/null || true)/versions"; do
    for python in "$versions"/3.12*/bin/python3.12; do candidates+=("$python"); done
done

for candidate in "${candidates[@]}"; do
    if found="$("$candidate" -c 'import sys; assert sys.version_info[:2] == (3, 12); print(sys.executable)' 2>/dev/null)"; then
        echo "$found"
        exit 0
    fi
done

uv="$(scripts/find_uv.sh)"
echo "No Python 3.12 on this machine: uv fetches one" >&2
if ! "$uv" python install --no-progress 3.12 >&2; then
    echo "No Python 3.12 could be fetched. Install one (python3.12 with its venv module, or pyenv install 3.12)." >&2
    exit 1
fi
"$uv" python find --managed-python 3.12
