"""The ONNX graphs of the published network: their files, and what their tensors are called and mean. Needs no torch.

========================  ==================================================================================
``vision_encoder.onnx``   colour, depth, depth_known -> image_tokens; once per image
``text_encoder.onnx``     token_ids, token_mask -> text_tokens; once per sentence
``condition.onnx``        image_tokens, text_tokens -> condition; once per image and sentence
``modulation.onnx``       time -> modulation; once per time of a sampler, for any number of times together
``velocity.onnx``         state, modulation, condition -> velocity; any number of samples under one condition
``sampler.onnx``          noise, condition -> traces; the checkpoint's default steps, modulation included
========================  ==================================================================================

Weights that ``model.safetensors`` or ``encoders.safetensors`` hold stay there; other ones, such as position codes or
pretrained towers that the checkpoint does not hold itself, are in a file beside the graph, ``velocity.weights`` for
example. ``config.json`` lists the files of each graph, ``bundle.json`` the tensors' shapes, types, meanings and
units.
"""

from __future__ import annotations

from tracegen_model.network.checkpoint_config import VELOCITY_FILE

VISION_ENCODER_FILE = "vision_encoder.onnx"
TEXT_ENCODER_FILE = "text_encoder.onnx"
CONDITION_FILE = "condition.onnx"
MODULATION_FILE = "modulation.onnx"

INPUTS: dict[str, tuple[str, ...]] = {
    VISION_ENCODER_FILE: ("colour", "depth", "depth_known"),
    TEXT_ENCODER_FILE: ("token_ids", "token_mask"),
    CONDITION_FILE: ("image_tokens", "text_tokens"),
    MODULATION_FILE: ("time",),
    VELOCITY_FILE: ("state", "modulation", "condition"),
}
"""Names of each graph's inputs, in order."""

OUTPUTS: dict[str, str] = {
    VISION_ENCODER_FILE: "image_tokens",
    TEXT_ENCODER_FILE: "text_tokens",
    CONDITION_FILE: "condition",
    MODULATION_FILE: "modulation",
    VELOCITY_FILE: "velocity",
}
"""Name of each graph's only output."""

MEANINGS: dict[str, str] = {
    "colour": "RGB image, prepared as `preprocessing` says; 0..255",
    "depth": "depth image beside it, in the unit of the training data (metres for robots); 0 = no reading",
    "depth_known": "whether there is a depth image at all; false = `depth` is not looked at",
    "token_ids": "word pieces of the sentence, ended and padded as `tokeniser` says",
    "token_mask": "1 where token_ids is not padding, else 0",
    "image_tokens": "conditioning tokens of the image's patches, row by row",
    "text_tokens": "conditioning tokens of the sentence, padding included",
    "condition": "all conditioning tokens, those of the image first, as the transformer takes them in",
    "time": "times of the flow, 0 = noise to 1 = data",
    "modulation": "shifts, scales and gates of the transformer's layers at a time",
    "state": "as `traces`, mixed with noise; at time 0 standard normal noise",
    "velocity": "d state / d time",
    "noise": "standard normal noise of any number of samples",
    "traces": "increments of each point and step (du, dv, dz) divided by increment_scale",
}
"""What each tensor is."""
