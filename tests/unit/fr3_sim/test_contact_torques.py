"""What the simulated arm feels of its contacts is what its controller has to press against."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_sim.contact_torques import ContactTorques
from fr3_sim.hand_ik import HandIk, downward_rotation
from fr3_sim.scene import ARM_JOINTS
from fr3_sim.simulation import Simulation
from ik_controller.joint_trajectory import JointState

FREE_PLACE = np.array([0.35, -0.3])
"""Where nothing lies on the table [m]."""

STEPS = 600


def press(simulation: Simulation, height: float) -> None:
    """Have the arm try for a while to get the tool centre point to ``height`` [m]."""
    hand_ik = HandIk(simulation.scene)
    above, _ = hand_ik.solve(np.array([*FREE_PLACE, 0.1]), downward_rotation(0.0))
    goal, _ = hand_ik.solve(np.array([*FREE_PLACE, height]), downward_rotation(0.0))
    for share in np.linspace(0.0, 1.0, STEPS):
        simulation.follow(JointState.at_rest(above + share * (goal - above)))
        simulation.step()
    simulation.advance(0.5)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    simulation = Simulation()
    simulation.reset(0)
    return simulation


def test_nothing_is_felt_in_the_air(simulation: Simulation) -> None:
    press(simulation, 0.05)
    assert ContactTorques(simulation.scene).now().tolist() == [0.0] * 7


def test_the_table_is_felt_as_much_as_the_arm_presses(simulation: Simulation) -> None:
    press(simulation, 0.0)
    felt = ContactTorques(simulation.scene).now()
    scene = simulation.scene
    actuators = [scene.model.actuator(name).id for name in ARM_JOINTS]
    assert np.abs(felt).max() > 5.0
    # At rest both sum to nothing, but for friction in the joints.
    assert felt == pytest.approx(-scene.data.actuator_force[actuators], abs=1.5)
