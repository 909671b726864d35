#!/usr/bin/env bash
# Replace ONNX Runtime in .venv by its build for NVIDIA GPUs, with the CUDA libraries it loads.
# Usage: scripts/install_cuda.sh LOCK_FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Both builds fill the same folder: the one must be gone before the other comes.
"$(scripts/find_uv.sh)" pip uninstall --quiet --python .venv/bin/python onnxruntime
scripts/install_lock.sh "${1:?a folder with cuda.txt}/cuda.txt"
