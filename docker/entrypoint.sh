#!/usr/bin/env bash
# Run a command in this repository's environment, as process 1's only child: signals reach it and nothing else.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/env.sh"
exec "$@"
