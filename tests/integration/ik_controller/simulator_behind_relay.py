"""``sim_node`` whose images go to ``camera_relay``; arguments are those of the node."""

from __future__ import annotations

import sys

from tests.integration.ik_controller.camera_relay import BEHIND

from fr3_sim.nodes import sim_node
from fr3_sim.nodes.frame_publisher import COLOUR_INFO_TOPIC, COLOUR_TOPIC, DEPTH_TOPIC

if __name__ == "__main__":
    for topic in (COLOUR_TOPIC, DEPTH_TOPIC, COLOUR_INFO_TOPIC):
        sys.argv += ["-r", f"{topic}:={BEHIND}{topic}"]
    sim_node.main()
