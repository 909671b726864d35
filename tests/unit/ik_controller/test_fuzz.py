"""No grid, stamp or input moves the arm outside its limits, raises, or makes a command that the arm refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.motion_layer.command_checker import QUANTITIES, Bounds, judge
from tests.motion_layer.fuzz import ROBOTS, robot_and_bounds, run_episode
from tests.motion_layer.fuzz_stimulus import Act, InputFault, StampFault, Stimulus
from tests.motion_layer.fuzzed_cell import FuzzedCell
from tests.motion_layer.trace_grid_fuzzer import GridFault

from ik_controller.resources import resource_path

READY = np.array([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785])

STIMULI = st.lists(
    st.builds(
        Stimulus,
        wait_s=st.floats(0.01, 0.4),
        age_s=st.floats(0.0, 0.4),
        transport_s=st.floats(0.0, 0.02),
        magnitude=st.floats(0.0, 1.0),
        seed=st.integers(0, 2**31 - 1),
        ticks=st.booleans(),
        grid=st.sampled_from([*GridFault, *[GridFault.SOUND] * len(GridFault), None]),
        stamp=st.sampled_from([*StampFault, *[StampFault.FRESH] * len(StampFault)]),
        inputs=st.sampled_from([*InputFault, *[InputFault.NONE] * len(InputFault)]),
        act=st.sampled_from([*Act, *[Act.NONE] * 3 * len(Act)]),
    ),
    min_size=3,
    max_size=12,
)


@pytest.mark.parametrize("name", ROBOTS)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking takes minutes; add Phase.shrink to look into a failure
    suppress_health_check=list(HealthCheck),
)
@given(stimuli=STIMULI, seed=st.integers(0, 1000))
def test_whatever_comes_in_the_arm_stays_inside_its_limits(
    name: str, stimuli: list[Stimulus], seed: int
) -> None:
    robot, bounds = robot_and_bounds(name)
    report = FuzzedCell(robot, bounds, robot.posture, seed).run(stimuli)
    assert not report.failures


def test_episodes_move_the_arm_and_are_the_same_when_run_again() -> None:
    numbers = (200, 205, 211)
    first = [run_episode(123, number) for number in numbers]
    assert not [failure for report in first for failure in report.failures]
    assert max(report.moving_s for report in first) > 1.0
    shortest = int(np.argmin([report.total_s for report in first]))
    assert run_episode(123, numbers[shortest]) == first[shortest]


def rising(joint: int, speed: float, milliseconds: int) -> np.ndarray:
    """Commands that leave rest smoothly, go on at ``speed`` [rad/s] and end there."""
    rate = speed * (1.0 - np.cos(np.pi * np.clip(np.arange(milliseconds) / 500.0, 0.0, 1.0))) / 2
    commands = np.repeat(READY[None], milliseconds, axis=0)
    commands[:, joint] += np.cumsum(rate) * 1e-3
    return commands


def quantities(commands: np.ndarray, limits: str = "fr3_full") -> set[str]:
    bounds = Bounds.read(resource_path(f"limits/{limits}.yaml"))
    return {breach.quantity for breach in judge(commands, bounds).breaches}


def test_the_checker_finds_each_kind_of_breach() -> None:
    assert quantities(rising(0, 1.0, 1000)) == set()
    assert quantities(rising(0, 2.61, 800)) == set()
    assert quantities(rising(0, 2.7, 600)) == {"velocity"}
    jumped = rising(0, 1.0, 1000)
    jumped[600:, 3] += 1e-3
    assert quantities(jumped) == {"acceleration", "jerk"}
    broken = rising(0, 1.0, 1000)
    broken[700, 2] = np.nan
    assert quantities(broken) == {"number"}
    far = rising(0, 1.0, 3500)
    assert quantities(far) == {"position", "velocity"}
    stopped = rising(0, 1.0, 1000)
    stopped[800:] = stopped[799]
    assert quantities(stopped) == {"acceleration", "jerk"}


def test_the_checker_knows_that_a_joint_slows_down_towards_its_end() -> None:
    towards_end = rising(0, 1.5, 1950)
    assert towards_end[-1, 0] < 2.7437
    assert quantities(towards_end) == {"velocity"}
    away = rising(0, -1.5, 1000) + np.eye(7)[0] * (2.70 - READY[0])
    assert quantities(away) == set()


def test_a_share_of_each_bound_is_told() -> None:
    bounds = Bounds.read(resource_path("limits/fr3_rectangular.yaml"))
    used = judge(rising(0, 1.0, 1000), bounds).used
    assert set(used) == set(QUANTITIES)
    assert used["velocity"] == pytest.approx(0.5, rel=1e-6)
