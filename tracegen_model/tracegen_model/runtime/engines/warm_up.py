"""The first run of an engine, which prepares what later ones find ready."""

from __future__ import annotations

import numpy as np

from tracegen_model.runtime.engines.engine import Engine, EngineRequest

WARM_UP_SENTENCE = "warm up"


def warm_up(engine: Engine, request: EngineRequest) -> None:
    """Run ``engine`` once, on nothing, with the plan and the number of samples of ``request``; raises EngineError."""
    network = request.config.network
    side = network.image_side
    colour, depth = np.zeros((side, side, 3), np.uint8), np.ones((side, side), np.float32)
    noise = np.zeros((request.samples, network.points, network.horizon, 3), np.float32)
    engine.sample(noise, engine.condition(colour, depth, WARM_UP_SENTENCE), request.plan)
