#!/usr/bin/env bash
# Make .venv with a Python 3.12. Usage: scripts/make_venv.sh ROS_PREFIX
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ros="${1:?the prefix of ROS 2, as scripts/find_ros.sh prints it}"
uv="$(scripts/find_uv.sh)"
python="$(scripts/find_python.sh "$ros")"
options=()
# What an installed ROS 2 imports beside itself comes from the system's packages.
[[ $ros != "$PWD"/* ]] && options+=(--system-site-packages)
echo "Python: $python"
"$uv" venv --quiet --clear --prompt tracegen --python "$python" "${options[@]}" .venv
