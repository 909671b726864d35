#!/usr/bin/env bash
# Print the path of a working `uv`, the installer; provide a private one in .tools/ when the machine has none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A name on PATH can be a version manager's shim that fails, hence the trial run.
for candidate in "$PWD/.tools/bin/uv" "$(command -v uv || true)"; do
    if [[ -n $candidate ]] && "$candidate" --version >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done

for python in python3.12 python3 python3.13 python3.11 /usr/bin/python3; do
    # ensurepip is what Debian splits off into python3-venv.
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "Installing uv into .tools/ (this folder only)" >&2
        "$python" -m venv .tools
        .tools/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt >&2
        echo "$PWD/.tools/bin/uv"
        exit 0
    fi
done
echo "No uv, and no Python that can install one. Install either:  apt-get install python3-venv" >&2
exit 1
