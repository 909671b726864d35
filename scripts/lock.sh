#!/usr/bin/env bash
# Resolve requirements/*.in into hashed lock files (`make lock`).
#
# There are two sets, because compiled messages of an apt-installed ROS 2 Jazzy want numpy 1:
#   requirements/numpy2/   ROS 2 from the Python wheel
#   requirements/numpy1/   ROS 2 from /opt/ros or any sourced installation
# The files name packages, versions and hashes; never an index, a host or a local path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv="$(scripts/find_uv.sh)"
compile=("$uv" pip compile --quiet --upgrade
    --python-version 3.12 --python-platform x86_64-manylinux_2_36
    --generate-hashes --no-header --no-annotate
    --no-emit-index-url --no-emit-find-links)

for numpy in numpy2 numpy1; do
    folder="requirements/$numpy"
    mkdir -p "$folder"
    pin="$(mktemp)"
    [[ $numpy == numpy1 ]] && echo "numpy<2" >"$pin"
    # The largest set is resolved first and constrains the smaller ones: a version is the same in all three.
    "${compile[@]}" -c "$pin" requirements/{demo,train,dev}.in -o "$folder/dev.txt"
    "${compile[@]}" -c "$folder/dev.txt" requirements/{demo,train}.in -o "$folder/train.txt"
    "${compile[@]}" -c "$folder/dev.txt" requirements/demo.in -o "$folder/demo.txt"
    # Replaces onnxruntime, so it is on top of demo.txt, not part of the sets (scripts/install_cuda.sh).
    "${compile[@]}" -c "$folder/dev.txt" requirements/cuda.in -o "$folder/cuda.txt"
    rm -f "$pin"
done
"${compile[@]}" --no-deps requirements/ros.in -o requirements/ros.txt
"${compile[@]}" requirements/uv.in -o requirements/uv.txt
