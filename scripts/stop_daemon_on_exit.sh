# To be sourced: when this shell ends, stop the ros2 daemon that commands in it started; one that ran before stays.

_ros2_daemon_runs() {
    # ros2cli's daemon listens on this port (ros2cli/node/daemon.py).
    (exec 3<>"/dev/tcp/127.0.0.1/$((11511 + ${ROS_DOMAIN_ID:-0}))") 2>/dev/null
}

_stop_ros2_daemon() {
    if _ros2_daemon_runs; then ros2 daemon stop >/dev/null 2>&1 || true; fi
}

_ros2_daemon_runs || trap _stop_ros2_daemon EXIT
