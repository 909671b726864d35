"""One benchmark episode through the real nodes, and its verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.closed_loop.cell import Cell, CellError
from tests.closed_loop.rows import DEFAULTS, Row

from fr3_sim.simulation import Simulation
from ik_controller.joint_limits import JointLimits, find_violations

LONGEST_EPISODE_S = 30.0
"""Simulated time that an episode may take [s]."""

LONGEST_LIVE_EPISODE_S = 60.0
"""Wall time that an episode of the emulated robot may take [s]: a slow machine stretches its time."""

LONGEST_WAIT_S = 300.0
"""Wall time that an episode may take [s]."""

LAST_STATES = ("IDLE: task done", "STOP", "FAULT")
"""What the follower says when it will not move again by itself."""


@dataclass(frozen=True)
class EpisodeVerdict:
    """What became of one episode; plain values, for JSON.

    Attributes:
        row: Name of the benchmark's row.
        seed: Of the scene.
        instruction: What the robot was told.
        success: The judge's verdict on the task of the row.
        right_object: The first block picked up is the one asked for.
        right_zone: It was put down in the zone asked for.
        zone_distance_m: From the block asked for to its zone [m].
        other_displacement_m: How far the other block was moved [m].
        duration_s: Simulated time [s]; the robot's own where it is emulated.
        traces: Traces predicted.
        trajectories: Commands sent: one a replan.
        refused: Commands that the arm refused.
        violations: Limits broken by the command stream, as text.
        latencies_ms: Image to traces [ms of wall time].
        traces_per_second: Of wall time.
        timings_ms: What the nodes say they took, ``node.stage_p50_ms`` and ``_p99_ms`` [ms].
        final_state: Last word of the follower.
        failure: Why there is no verdict, empty if there is one.
        robot: What the emulated robot says of itself: lost commands, peaks, time that it lost, its last reflex.
    """

    row: str
    seed: int
    instruction: str
    success: bool
    right_object: bool
    right_zone: bool
    zone_distance_m: float
    other_displacement_m: float
    duration_s: float
    traces: int
    trajectories: int
    refused: int
    violations: list[str]
    latencies_ms: list[float]
    traces_per_second: float
    timings_ms: dict[str, float]
    final_state: str
    failure: str = ""
    robot: dict[str, Any] = field(default_factory=dict)


def run_episode(cell: Cell, row: Row, seed: int, limits: JointLimits, folder: Path) -> EpisodeVerdict:
    """Make the scene, say the sentence, wait, judge."""
    parameters = {
        **DEFAULTS,
        **row.parameters,
        "seed": seed,
        "block": -1,
        "zone": -1,
        "report_folder": str(folder),
    }
    if row.other_block:
        drawn = Simulation.drawn_task(seed)
        parameters |= {"block": 1 - drawn.block, "zone": drawn.zone}
    scene = cell.make_scene(parameters)
    instruction = row.instruction(
        seed, scene["block_colours"][scene["block"]], scene["zone_colours"][scene["zone"]]
    )
    start_s = scene["stamp_ns"] * 1e-9
    longest_s = LONGEST_LIVE_EPISODE_S if cell.emulated else LONGEST_EPISODE_S
    cell.wait_for_driver()
    refusals = cell.driver_refusals
    cell.instruct(instruction)

    def over() -> bool:
        states = cell.observations.states
        ended = bool(states) and states[-1][1].startswith(LAST_STATES)
        return ended or cell.simulated_s - start_s > longest_s

    if not cell.spin_until(over, LONGEST_WAIT_S):
        raise CellError(
            f"the episode did not end within {LONGEST_WAIT_S:.0f} s; follower: {cell.follower_state}"
        )
    seen, final_state = cell.observations, cell.follower_state
    cell.wait_for_driver()
    report = cell.report()
    outcome = report["outcome"]
    with np.load(report["commands_file"]) as record:
        violations = find_violations(record["times_s"], record["positions"], limits)
    return EpisodeVerdict(
        row=row.name,
        seed=seed,
        instruction=instruction,
        success=outcome["success"],
        right_object=outcome["right_object"],
        right_zone=outcome["right_zone"],
        zone_distance_m=outcome["zone_distance"],
        other_displacement_m=outcome["other_displacement"],
        duration_s=report["elapsed_s"],
        traces=len(seen.trace_times_s),
        trajectories=seen.trajectories,
        refused=len(report.get("refused", ())) + cell.driver_refusals - refusals,
        violations=[str(violation) for violation in violations],
        latencies_ms=[1e3 * latency for latency in seen.latencies_s],
        traces_per_second=seen.trace_rate,
        timings_ms=dict(cell.timings_ms),
        final_state=final_state,
        robot=_robot_figures(report, cell.driver_state) if cell.emulated else {},
    )


def _robot_figures(report: dict[str, Any], driver_state: str) -> dict[str, Any]:
    of_emulator = ("lost_commands", "slipped_s", "longest_tick_s", "last_reflex", "peaks")
    return {
        "driver": driver_state,
        "largest_lag_rad": report["largest_lag_rad"],
        "missed_s": report["missed_s"],
        **{name: report["emulator"][name] for name in of_emulator},
    }
