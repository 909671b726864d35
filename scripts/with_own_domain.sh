#!/usr/bin/env bash
# Run a command in this repository's environment, with a ROS_DOMAIN_ID that no other such run on this machine uses.
# Usage: scripts/with_own_domain.sh COMMAND [ARGUMENT...]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/env.sh"

# 1 to 101 are free of the ports Linux hands out by itself; 0 is everybody's default. The lock goes with the process.
for domain in $(shuf --input-range=1-101); do
    exec {lock}>"${TMPDIR:-/tmp}/tracegen_ros_domain_$domain.lock" || continue
    flock --nonblock "$lock" && break
    exec {lock}>&-
done
export ROS_DOMAIN_ID="$domain"

source "$root/scripts/stop_daemon_on_exit.sh"
"$@"
