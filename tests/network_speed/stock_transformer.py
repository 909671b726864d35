"""The transformer that ours is checked and timed against."""

from __future__ import annotations

from diffusers import CogVideoXTransformer3DModel

from tracegen_model.network.tracegen.config import TraceGenConfig


def stock_transformer(config: TraceGenConfig) -> CogVideoXTransformer3DModel:
    """diffusers' transformer as the authors of TraceGen construct it."""
    channels = 3 * config.frames_in_channels
    return CogVideoXTransformer3DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.head_width,
        in_channels=channels,
        out_channels=channels,
        time_embed_dim=config.time_width,
        text_embed_dim=config.condition_width,
        num_layers=config.blocks,
        sample_width=config.grid_side,
        sample_height=config.grid_side,
        sample_frames=config.frame_groups,
        patch_size=config.patch_side,
        patch_size_t=1,
        max_text_seq_length=config.condition_length,
        spatial_interpolation_scale=config.spatial_scale,
        temporal_interpolation_scale=1.0,
        patch_bias=True,
    )
