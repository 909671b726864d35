"""The shipped calibration is that of the simulated camera."""

import numpy as np
import pinocchio as pin
import pytest
import yaml

from ik_controller.resources import resource_path


def test_shipped_calibration_is_the_simulated_camera_s_nominal_pose() -> None:
    camera_pose = pytest.importorskip("fr3_sim.camera_pose")
    calibration = yaml.safe_load(resource_path("calibration/sim_camera.yaml").read_text(encoding="utf-8"))
    nominal = camera_pose.nominal_camera_in_base()
    rotation = pin.Quaternion(np.array(calibration["rotation"])).matrix()
    np.testing.assert_allclose(calibration["translation"], nominal[:3, 3], atol=1e-6)
    np.testing.assert_allclose(rotation, nominal[:3, :3], atol=1e-6)
    assert calibration["parent_frame"] == "fr3_link0"
    assert calibration["child_frame"] == "camera_color_optical_frame"
