"""The hardware path as people start it: launch file, unmodified franky, emulated robot, simulated table and camera."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.closed_loop.benchmark import EMULATED
from tests.closed_loop.cell import Cell, RosSession
from tests.closed_loop.episodes import run_episode
from tests.closed_loop.rows import ROWS
from tests.closed_loop.stack import Stack
from tests.integration.fr3_driver.conftest import HOST

from ik_controller.joint_limits import JointLimits

SEED = 300_000

BUSY_MACHINE = """\
trace_follower:
  ros__parameters:
    speed: 0.15
    command_lead_s: 0.3
    max_trace_age_s: 5.0
    camera_timeout_s: 5.0
    finger_timeout_s: 10.0
    input_timeout_s: 5.0
    joint_timeout_s: 2.0
    gripper_timeout_s: 10.0
fr3_driver:
  ros__parameters:
    max_tracking_error_rad: 0.3
    node_timeout_s: 3.0
"""
"""Nothing here waits for anybody, and tests run on machines that others use: slower, and with more patience."""


@pytest.mark.real_time
@pytest.mark.timeout(300)
def test_the_emulated_robot_does_what_it_is_told_through_franky(tmp_path: Path) -> None:
    parameters = tmp_path / "busy_machine.yaml"
    parameters.write_text(BUSY_MACHINE, encoding="utf-8")
    launch = {**EMULATED, "fci_ip": HOST, "camera_rate": "4.0", "parameters": str(parameters)}
    with Stack(launch, tmp_path / "nodes.log") as stack, RosSession():
        cell = Cell(stack.check, emulated=True)
        try:
            cell.wait_until_ready()
            verdict = run_episode(cell, ROWS[0], SEED, JointLimits.load("fr3_full"), tmp_path)
        finally:
            cell.close()
    assert verdict.success, verdict
    assert verdict.right_object
    assert verdict.violations == []
    assert verdict.robot["last_reflex"] == ""
    # The scene's arm went where the robot's did; the driver moved it with the commands of a motion.
    assert verdict.robot["largest_lag_rad"] < 0.02
    assert verdict.robot["peaks"]["velocity"] > 0.2
