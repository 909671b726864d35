#!/usr/bin/env bash
# Check the system packages that Python wheels expect; install missing ones when root, name them otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

required=(
    libegl1 libgl1-mesa-dri # rendering without a display (MUJOCO_GL=egl)
    libgomp1                # onnxruntime, torch
    libusb-1.0-0            # RealSense cameras
)
# What uv, the installer, is installed with where the machine has none.
scripts/find_uv.sh --check >/dev/null 2>&1 || required+=(python3-venv)

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian or Ubuntu: make sure that these are installed: ${required[*]}"
    exit 0
fi

missing=()
for package in "${required[@]}"; do
    [[ $(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null) == *"ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $EUID -eq 0 ]]; then
    echo "Installing system packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    install=(apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}")
    # Package lists are fetched only where the present ones do not do.
    "${install[@]}" >/dev/null 2>&1 || { apt-get update --quiet=2 && "${install[@]}" >/dev/null; }
else
    echo "System packages are missing. Install them, then run the command again:" >&2
    echo "    sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
