#!/usr/bin/env bash
# Print the path of a working `uv`, the installer; provide a private one in .tools/ when the machine has none.
# With --check, only say by the exit code whether that is possible.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A name on PATH can be a version manager's shim that fails, hence the trial run.
for candidate in "$PWD/.tools/bin/uv" "$(command -v uv || true)"; do
    if [[ -n $candidate ]] && "$candidate" --version >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done

for python in python3.12 python3 /usr/bin/python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
    # ensurepip is what Debian splits off into python3-venv; uv itself wants 3.8 or newer.
    if "$python" -c 'import sys, ensurepip, venv; assert sys.version_info >= (3, 8)' >/dev/null 2>&1; then
        [[ ${1:-} == --check ]] && exit 0
        echo "Installing uv into .tools/ of this folder" >&2
        "$python" -m venv --clear .tools
        .tools/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt >&2
        echo "$PWD/.tools/bin/uv"
        exit 0
    fi
done
echo "No uv, and no Python that can install one. Install either; on Debian and Ubuntu: apt-get install python3-venv" >&2
exit 1
