"""The ONNX graphs of the nano network: their files, and what their tensors are called and mean. Needs no torch.

==========================  ================================================================================
``condition_encoder.onnx``  colour, depth, words -> trace, tokens, modulation, query_points; once per image and
                            sentence
``velocity.onnx``           state, time, trace, tokens, modulation -> velocity; any number of samples under one
                            condition
``sampler.onnx``            noise, trace, tokens, modulation -> traces; the checkpoint's default steps
==========================  ================================================================================

They hold no weights but refer to those in ``model.safetensors``.
"""

from __future__ import annotations

CONDITION_ENCODER_FILE = "condition_encoder.onnx"

CONDITION_INPUTS = ("colour", "depth", "words")
CONDITION = ("trace", "tokens", "modulation")
"""What the condition encoder takes in, and what the velocity needs of what it finds."""

QUERY_POINTS = "query_points"

MEANINGS: dict[str, str] = {
    "colour": "RGB image, prepared as `preprocessing` says; 0..255",
    "depth": "depth image beside it [m], prepared likewise; 0 = no reading",
    "words": "ids of the sentence's words, see `words`; 0 = padding",
    "trace": "features of the grid's patches, row by row",
    "tokens": "tokens that join the attention: words, then query points",
    "modulation": "what words and query points add to the embedded time",
    "query_points": "u, v of pixel centres in fractions of the image's width and height and z [m] of the object to "
    "move, the zone and the hand, as the network sees them",
    "time": "time of the flow, 0 = noise to 1 = data",
    "state": "as `traces`, mixed with noise; at time 0 standard normal noise",
    "velocity": "d state / d time",
    "noise": "standard normal noise of any number of samples",
    "traces": "increments of each point and step (du, dv, dz) divided by increment_scale",
}
"""What each tensor is."""
