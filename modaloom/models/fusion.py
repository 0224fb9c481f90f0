"""Several modality tokens of one example into one vector, by six kinds of fusion under one signature.

``forward(tokens (b, m, d), mask (b, m)) -> fused (b, d), weights (b, m)``. Weights are non-negative, sum to
one over the tokens that are present, and are zero for those that are not. What lies under a False mask
never matters, and no row ever sees another row.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from modaloom.models.attention import Attention, masked_softmax

FUSION_KINDS = ("attention", "concat-mlp", "gru", "gated", "cross_attention", "transformer")
MISSING_KINDS = ("impute", "token", "mask")
"""What stands where a modality is missing: a guess from the others, a learned token, or nothing."""


class Fusion(nn.Module):
    """Base of all kinds: puts a learned token where a modality is missing, and normalises the result."""

    def __init__(self, dim: int, n_modalities: int):
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(n_modalities, dim))
        self.place = nn.Parameter(torch.randn(n_modalities, dim) * 0.02)
        self.norm = nn.LayerNorm(dim)

    def stand_in(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens (b, m, d) with the learned token of its modality wherever one is missing."""
        return torch.where(mask[..., None], tokens, self.missing) + self.place

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuses tokens (b, m, d) under mask (b, m) into (b, d), with weights (b, m)."""
        fused, weights = self.fuse(self.stand_in(tokens, mask), mask)
        return cast(Tensor, self.norm(fused)), weights

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What a kind adds; tokens have no gaps any more."""
        raise NotImplementedError


def norm_share(parts: Tensor, mask: Tensor) -> Tensor:
    """Weights (b, m) for kinds that have none of their own: each part's share of the total length."""
    lengths: Tensor = parts.norm(dim=-1) * mask
    return lengths / lengths.sum(dim=-1, keepdim=True).clamp_min(1e-9)


class ConcatMlp(Fusion):
    """All tokens side by side through a small network. Weights: share of the first layer's response."""

    def __init__(self, dim: int, n_modalities: int, *, dropout: float = 0.1):
        super().__init__(dim, n_modalities)
        self.enter = nn.ModuleList(nn.Linear(dim, 2 * dim) for _ in range(n_modalities))
        self.leave = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim))

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        parts = torch.stack([layer(tokens[:, place]) for place, layer in enumerate(self.enter)], dim=1)
        return self.leave(parts.sum(dim=1)), norm_share(parts, mask)


class Gru(Fusion):
    """Tokens one after the other through a GRU that skips missing ones. Weights: how far each step moved it."""

    def __init__(self, dim: int, n_modalities: int):
        super().__init__(dim, n_modalities)
        self.cell = nn.GRUCell(dim, dim)
        self.start = nn.Parameter(torch.zeros(dim))

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        state = self.start.expand(tokens.shape[0], -1)
        steps = []
        for place in range(tokens.shape[1]):
            moved = torch.where(mask[:, place, None], self.cell(tokens[:, place], state), state)
            steps.append(moved - state)
            state = moved
        return state, norm_share(torch.stack(steps, dim=1), mask)


class Gated(Fusion):
    """A softmax gate per modality, computed from all tokens.

    Source: Arevalo et al., "Gated Multimodal Units for Information Fusion", 2017.
    """

    def __init__(self, dim: int, n_modalities: int):
        super().__init__(dim, n_modalities)
        self.gate = nn.Linear(dim * n_modalities, n_modalities)
        self.value = nn.Linear(dim, dim)

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        weights = masked_softmax(self.gate(tokens.flatten(1)), mask)
        return (weights[..., None] * torch.tanh(self.value(tokens))).sum(dim=1), weights


class AttentionPooling(Fusion):
    """A learned question asked of all tokens: the default.

    Source: Lee et al., "Set Transformer", 2019, section 3.2 (pooling by attention).
    """

    def __init__(self, dim: int, n_modalities: int, *, score: str = "scaled_dot", num_heads: int = 4):
        super().__init__(dim, n_modalities)
        self.question = nn.Parameter(torch.randn(dim) * 0.02)
        self.attention = Attention(dim, score=score, num_heads=num_heads)

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        question = self.question.expand(tokens.shape[0], 1, -1)
        fused, weights = self.attention(question, tokens, mask)
        return fused[:, 0], weights[:, 0]


class CrossAttention(Fusion):
    """Each token looks at the others, then a learned question pools them.

    Source: Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", 2019.
    """

    def __init__(self, dim: int, n_modalities: int, *, score: str = "scaled_dot", num_heads: int = 4):
        super().__init__(dim, n_modalities)
        self.across = Attention(dim, score=score, num_heads=num_heads)
        self.pool = AttentionPooling(dim, n_modalities, score=score, num_heads=num_heads)
        self.between = nn.LayerNorm(dim)

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        seen, _ = self.across(tokens, tokens, mask)
        fused, weights = self.pool.fuse(self.between(tokens + seen), mask)
        return fused, weights


class TransformerFusion(Fusion):
    """One Transformer block over the tokens, then pooling by attention.

    Source: Vaswani et al., "Attention Is All You Need", 2017 (pre-norm variant).
    """

    def __init__(
        self, dim: int, n_modalities: int, *, score: str = "scaled_dot", num_heads: int = 4, dropout: float = 0.1
    ):
        super().__init__(dim, n_modalities)
        self.before = nn.LayerNorm(dim)
        self.attention = Attention(dim, score=score, num_heads=num_heads)
        self.network = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim)
        )
        self.pool = AttentionPooling(dim, n_modalities, score=score, num_heads=num_heads)

    def fuse(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Fusion`."""
        normed = self.before(tokens)
        seen, _ = self.attention(normed, normed, mask)
        tokens = tokens + seen
        tokens = tokens + self.network(tokens)
        fused, weights = self.pool.fuse(tokens, mask)
        return fused, weights


def make_fusion(
    kind: str, dim: int, n_modalities: int, *, attention: str = "scaled_dot", num_heads: int = 4, dropout: float = 0.1
) -> Fusion:
    """A fusion by its kind.

    Raises:
        ValueError: unknown kind or score function, or ``dim`` is no multiple of ``num_heads``.
    """
    if kind == "concat-mlp":
        return ConcatMlp(dim, n_modalities, dropout=dropout)
    if kind == "gru":
        return Gru(dim, n_modalities)
    if kind == "gated":
        return Gated(dim, n_modalities)
    if kind == "attention":
        return AttentionPooling(dim, n_modalities, score=attention, num_heads=num_heads)
    if kind == "cross_attention":
        return CrossAttention(dim, n_modalities, score=attention, num_heads=num_heads)
    if kind == "transformer":
        return TransformerFusion(dim, n_modalities, score=attention, num_heads=num_heads, dropout=dropout)
    raise ValueError(f"fusion must be one of {', '.join(FUSION_KINDS)}, not {kind!r}")


def drop_modalities(mask: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Modality dropout: hides each present token of mask (b, m) with probability ``share``, but never the last one."""
    draw = torch.rand(mask.shape, generator=generator, device=mask.device)
    kept = mask & (draw >= share)
    keep_one = torch.zeros_like(mask).scatter(1, torch.where(mask, draw, -1.0).argmax(dim=1, keepdim=True), True) & mask
    return torch.where(kept.any(dim=1, keepdim=True), kept, keep_one)


class CrossModalImputer(nn.Module):
    """Guesses the token of a missing modality from those that are present.

    Source: Ma et al., "SMIL: Multimodal Learning with Severely Missing Modality", 2021 (the idea, not the method).
    """

    def __init__(self, dim: int, n_modalities: int):
        super().__init__()
        self.n_modalities = n_modalities
        self.enter = nn.Linear(n_modalities * (dim + 1), 2 * dim)
        self.leave = nn.Linear(2 * dim, n_modalities * dim)

    def guess(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """A token (b, m, d) for every modality, from the tokens that mask (b, m) marks."""
        present = tokens.masked_fill(~mask[..., None], 0.0)  # not a product: even NaN under the mask must not matter
        seen = torch.cat([present.flatten(1), mask.to(tokens.dtype)], dim=1)
        return cast(Tensor, self.leave(torch.tanh(self.enter(seen)))).view_as(tokens)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens (b, m, d) with the gaps filled in; those present are left as they are."""
        return torch.where(mask[..., None], tokens, self.guess(tokens, mask))

    def loss(self, tokens: Tensor, mask: Tensor, visible: Tensor) -> Tensor:
        """Mean squared error of the guesses for tokens that are present but not ``visible`` (b, m)."""
        hidden = mask & ~visible
        error = (self.guess(tokens, visible) - tokens).masked_fill(~hidden[..., None], 0.0)
        return (error**2).sum() / hidden.sum().clamp_min(1)


class LearnedTokens(nn.Module):
    """One learned token per modality for all items that lack it.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022, section 3 (the mask token).
    """

    def __init__(self, dim: int, n_modalities: int):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(n_modalities, dim) / dim**0.5)

    def guess(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The learned tokens (b, m, d), the same for every row."""
        return self.tokens.expand(tokens.shape[0], -1, -1)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens (b, m, d) with the gaps filled in; those present are left as they are."""
        return torch.where(mask[..., None], tokens, self.guess(tokens, mask))

    def loss(self, tokens: Tensor, mask: Tensor, visible: Tensor) -> Tensor:
        """Nothing: these tokens learn from what the model is for, not from what they stand for."""
        return tokens.new_zeros(())


def make_stand_in(kind: str, dim: int, n_modalities: int) -> CrossModalImputer | LearnedTokens | None:
    """What fills the gaps, by its kind; None where they stay empty.

    Raises:
        ValueError: unknown kind.
    """
    if kind == "impute":
        return CrossModalImputer(dim, n_modalities)
    if kind == "token":
        return LearnedTokens(dim, n_modalities)
    if kind == "mask":
        return None
    raise ValueError(f"missing must be one of {', '.join(MISSING_KINDS)}, not {kind!r}")


class MultimodalFusionModel(nn.Module):
    """A picture vector and a text vector into one logit: the small model of the tutorials, done right.

    Attention runs over the two modality tokens of each row, never across the batch. ``attention`` is the
    score function: ``dot``, ``scaled_dot`` or ``additive``.
    """

    def __init__(
        self, image_dim: int, text_dim: int, hidden_dim: int, num_heads: int = 4, attention: str = "scaled_dot"
    ):
        super().__init__()
        self.image = nn.Linear(image_dim, hidden_dim)
        self.text = nn.Linear(text_dim, hidden_dim)
        self.fusion = AttentionPooling(hidden_dim, 2, score=attention, num_heads=num_heads)
        self.head = nn.Sequential(nn.Linear(hidden_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, 1))

    def forward(
        self, image: Tensor, text: Tensor, *, image_mask: Tensor | None = None, text_mask: Tensor | None = None
    ) -> Tensor:
        """Logits (b, 1) of pictures (b, image_dim) and texts (b, text_dim); masks (b,) are False where one is missing.

        Raises:
            ValueError: shapes do not match.
        """
        fused, _ = self._fuse(image, text, image_mask, text_mask)
        return cast(Tensor, self.head(fused))

    def attention_weights(
        self, image: Tensor, text: Tensor, *, image_mask: Tensor | None = None, text_mask: Tensor | None = None
    ) -> Tensor:
        """How much each row looked at its picture and at its text, (b, 2)."""
        return self._fuse(image, text, image_mask, text_mask)[1]

    def _fuse(
        self, image: Tensor, text: Tensor, image_mask: Tensor | None, text_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if image.ndim != 2 or text.ndim != 2 or image.shape[0] != text.shape[0]:
            shapes = f"{tuple(image.shape)} and {tuple(text.shape)}"
            raise ValueError(f"expected image (b, image_dim) and text (b, text_dim), got {shapes}")
        if image.shape[1] != self.image.in_features or text.shape[1] != self.text.in_features:
            expected = f"{self.image.in_features} and {self.text.in_features}"
            raise ValueError(f"expected widths {expected}, got {image.shape[1]} and {text.shape[1]}")
        everything = image.new_ones(image.shape[0], dtype=torch.bool)
        masks = [everything if mask is None else mask.bool() for mask in (image_mask, text_mask)]
        # Filled before the first layer: NaN in a missing picture would otherwise reach that layer's gradient.
        image, text = image.masked_fill(~masks[0][:, None], 0.0), text.masked_fill(~masks[1][:, None], 0.0)
        tokens = torch.stack([torch.tanh(self.image(image)), torch.tanh(self.text(text))], dim=1)
        return cast(tuple[Tensor, Tensor], self.fusion(tokens, torch.stack(masks, dim=1)))
