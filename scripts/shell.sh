#!/usr/bin/env bash
# Open a shell with this repository's environment, or run one command line in it. Usage: scripts/shell.sh [COMMAND_LINE]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/env.sh"
source "$root/scripts/stop_daemon_on_exit.sh"

if [[ $# -gt 0 ]]; then
    bash -c "$1"
else
    echo "ROS 2 $ROS_DISTRO, discovery: $ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_DOMAIN_ID: ${ROS_DOMAIN_ID:-0}. Leave with exit."
    # The user's own start-up file may put other Pythons first: ours is sourced after it.
    bash --rcfile <(echo "[ -f ~/.bashrc ] && source ~/.bashrc; source '$root/scripts/env.sh'; PS1='(tracegen) \\w\\$ '") -i
fi
