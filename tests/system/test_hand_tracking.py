"""The hand comes along the course that ground-truth traces show: a few runs of ``tests.motion_layer.tracking``."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.motion_layer.tracked_run import Setting, Tracking, track

from fr3_sim.simulation import Simulation
from ik_controller.hand_motion import HandMotionMethod
from ik_controller.robot_model import RobotModel

RIGID, MEDIAN = HandMotionMethod.RIGID, HandMotionMethod.MEDIAN_DISPLACEMENT


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()


def run(
    simulation: Simulation, course: str, method: HandMotionMethod = RIGID, **changes: float | bool
) -> Tracking:
    values: dict[str, float | bool] = {
        "noise_m": 0.0,
        "points": 20,
        "latency_s": 0.1,
        "compensated": True,
        "seed": 41,
    }
    setting = Setting(course, method, **(values | changes))  # type: ignore[arg-type]
    return track(simulation, RobotModel.fr3(), setting)


@pytest.mark.parametrize("course", ["curved", "tilting"])
def test_exact_traces_are_followed_to_a_millimetre_and_half_a_degree(
    simulation: Simulation, course: str
) -> None:
    tracking = run(simulation, course)
    assert tracking.arrived
    assert np.percentile(tracking.position_errors, 95) < 0.0015
    assert np.degrees(np.percentile(tracking.rotation_errors, 95)) < 0.5


def test_noise_of_a_centimetre_costs_millimetres_where_the_rotation_is_read(simulation: Simulation) -> None:
    rigid = run(simulation, "turning", noise_m=0.01)
    assert rigid.arrived
    assert rigid.position_errors.mean() < 0.004
    assert np.degrees(rigid.rotation_errors.mean()) < 3.0
    median = run(simulation, "turning", MEDIAN, noise_m=0.01)
    assert median.position_errors.mean() > 1.5 * rigid.position_errors.mean()
    assert np.degrees(median.rotation_errors.mean()) > 10.0


def test_latency_that_is_made_up_for_costs_no_way_back(simulation: Simulation) -> None:
    made_up = run(simulation, "curved", latency_s=0.5)
    left = run(simulation, "curved", latency_s=0.5, compensated=False)
    assert made_up.arrived
    assert made_up.backward_m < 0.002
    assert left.backward_m > 0.01
    assert made_up.duration_s < 0.8 * left.duration_s
