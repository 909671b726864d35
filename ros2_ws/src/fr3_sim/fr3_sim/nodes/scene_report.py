"""What judges are told of a simulated scene: plain values for the answers of ``~/reset`` and ``~/report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fr3_sim.scene import ARM_JOINTS
from fr3_sim.simulation import STEP_NS, Simulation


def describe_scene(simulation: Simulation) -> dict[str, Any]:
    """What lies on the table, and what is asked for."""
    return {
        "seed": simulation.seed,
        "block_colours": list(simulation.layout.block_colours),
        "zone_colours": list(simulation.layout.zone_colours),
        "block": simulation.task.block,
        "zone": simulation.task.zone,
    }


def describe_state(simulation: Simulation) -> dict[str, Any]:
    """How the task stands, and what the arm did."""
    record = simulation.command_record()
    steps = np.abs(np.diff(record.positions, axis=0))
    return {
        "seed": simulation.seed,
        "outcome": simulation.task_outcome().as_dict(),
        "arm_at_rest": simulation.arm_at_rest,
        "block_pushed": simulation.block_pushed,
        "fastest_joint_rad_s": float(steps.max() / (STEP_NS * 1e-9)) if len(steps) else 0.0,
    }


def write_commands(simulation: Simulation, folder: str) -> str:
    """Write the recorded commands into ``folder``, empty = nowhere; returns the file's path.

    Raises:
        OSError: The file cannot be written.
    """
    if not folder:
        return ""
    record = simulation.command_record()
    path = Path(folder) / f"commands_{simulation.seed}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, times_s=record.times_s, positions=record.positions, joints=np.array(ARM_JOINTS))
    return str(path)
