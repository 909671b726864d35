"""The text tower: T5's encoder, frozen, and the layer norm behind it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
import transformers
from torch import Tensor, nn
from transformers.models.t5.modeling_t5 import T5Stack

from tracegen_model.network.tracegen.config import T5Config
from tracegen_model.network.tracegen.encoder_weights import TOKENISER_FILE, EncoderSource, find_tokeniser
from tracegen_model.network.tracegen.frozen_tower import build_tower
from tracegen_model.network.tracegen.tokeniser import PADDING_ID, HashedWords, T5Tokeniser, Tokeniser

REMEMBERED_SENTENCES = 512
"""Sentences whose features are kept; 0.4 MB each at the published size."""


class TextTower(nn.Module):
    """Sentences to tokens.

    The published network keeps the tokens of padding and its transformer attends to them; only the tower itself does
    not. Sentences are encoded once and remembered, the least recently used ones forgotten.

    Attributes:
        tokeniser: Sentences to word pieces.
        tower: T5's encoder; frozen, never in training mode.
        norm: The layer norm on its tokens. The original computes it without gradients, so it never learnt; here it
            learns like those of the other towers.
    """

    def __init__(self, config: T5Config, length: int, source: EncoderSource) -> None:
        super().__init__()
        self.tokeniser = _tokeniser(config, length, source)
        self.tower = build_tower("t5", partial(_t5, config), _fill_buffers, _rename, source, config.name)
        self.norm = nn.LayerNorm(config.width)
        self._remembered: OrderedDict[tuple[str, torch.device, torch.dtype], Tensor] = OrderedDict()

    def train(self, mode: bool = True) -> TextTower:
        """Training mode, but for the frozen tower."""
        super().train(mode)
        self.tower.eval()
        return self

    def forward(self, sentences: Sequence[str]) -> Tensor:
        """(B, length, width) tokens of B sentences."""
        return torch.as_tensor(self.norm(self.features(sentences)))

    @torch.no_grad()
    def features(self, sentences: Sequence[str]) -> Tensor:
        """(B, length, width) frozen features of B sentences."""
        device = self.norm.weight.device
        precision = (
            torch.get_autocast_dtype(device.type)
            if torch.is_autocast_enabled(device.type)
            else self.norm.weight.dtype
        )
        found: dict[str, Tensor] = {}
        for sentence in dict.fromkeys(sentences):
            key = (sentence, device, precision)
            if key in self._remembered:
                self._remembered.move_to_end(key)
                found[sentence] = self._remembered[key]
        missing = [sentence for sentence in dict.fromkeys(sentences) if sentence not in found]
        # On a CPU one by one: what a sentence gets, to the last bit, must not depend on those beside it, so that a
        # resumed training, which remembers nothing, continues exactly.
        together = 1 if device.type == "cpu" else max(len(missing), 1)
        for start in range(0, len(missing), together):
            part = missing[start : start + together]
            for sentence, features in zip(part, self._encode(part), strict=True):
                found[sentence] = self._remembered[sentence, device, precision] = features.clone()
        while len(self._remembered) > REMEMBERED_SENTENCES:
            self._remembered.popitem(last=False)
        return torch.stack([found[sentence] for sentence in sentences])

    def _encode(self, sentences: Sequence[str]) -> Tensor:
        ids = torch.from_numpy(self.tokeniser(sentences)).to(self.norm.weight.device)
        encoded = self.tower(input_ids=ids, attention_mask=(ids != PADDING_ID).long())
        return torch.as_tensor(encoded.last_hidden_state)


def _tokeniser(config: T5Config, length: int, source: EncoderSource) -> Tokeniser:
    if source.random or source.hashed_words or torch.get_default_device().type == "meta":
        return HashedWords(length, config.vocabulary)
    beside = source.stored and source.stored.parent
    stored = str(beside) if beside and (beside / TOKENISER_FILE).is_file() else None
    return T5Tokeniser(find_tokeniser("t5", source.t5 or stored or config.name, source.download), length)


def _t5(config: T5Config) -> nn.Module:
    """T5's encoder with random weights."""
    sizes = transformers.T5Config(
        vocab_size=config.vocabulary,
        d_model=config.width,
        d_kv=config.head_width,
        d_ff=config.feed_forward_width,
        num_layers=config.depth,
        num_heads=config.heads,
        dropout_rate=0.0,
        feed_forward_proj="relu",
        is_encoder_decoder=False,
        use_cache=False,
    )
    return T5Stack(sizes)


def _fill_buffers(tower: nn.Module) -> None:
    """T5 has none."""


def _rename(name: str) -> str | None:
    """Files of the whole T5 and of its encoder hold the word table under up to two names, and perhaps a decoder."""
    if name.startswith(("decoder.", "lm_head.")):
        return None
    return "embed_tokens.weight" if name == "shared.weight" else name.removeprefix("encoder.")
