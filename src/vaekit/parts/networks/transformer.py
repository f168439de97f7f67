r"""A causal transformer over sequences of codes: logits of each code given those before it and a condition.

    h_t = E[k_{t-1}] + p_t + W c,   k_0 = start                 logits_t = U norm(h_t after the blocks)
    block: h <- h + attention(norm(h)),  h <- h + mlp(norm(h)),  attention looks at positions <= t alone

Drawing keeps the keys and values of the positions behind, so that a sequence of P codes costs P positions, not P^2. The last layer
starts at zero: all codes are equally probable until something has been learnt.
(Vaswani et al. 2017, arXiv:1706.03762; norm before: Xiong et al. 2020, arXiv:2002.04745)
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["CausalTransformer"]

_HEADS, _LEAST = (8, 4, 2), 16

_Cache = list[tuple[Tensor, Tensor]]


class CausalTransformer(nn.Module):
    """A transformer that reads a sequence from its start.

    Arguments:
        codes: K, how many codes there are.
        length: P, codes of a sequence.
        condition_width: numbers of a condition; 0 = none.
        width: numbers a position.
        layers: blocks.
        dropout: share of a block's outputs that is dropped while training.
    """

    def __init__(self, codes: int, length: int, condition_width: int = 0, width: int = 128, layers: int = 3, dropout: float = 0.0):
        super().__init__()
        self.length = length
        # The last of the embeddings stands before the first code.
        self.embedding = nn.Embedding(codes + 1, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        self.condition = nn.Linear(condition_width, width) if condition_width else None
        heads = next((h for h in _HEADS if width % h == 0 and width // h >= _LEAST), 1)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, codes)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, codes: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits of each code, `(N, P) -> (N, P, K)`; the condition is `(N, width)`."""
        before = torch.cat([self._start(codes[:, :1]), codes[:, :-1]], dim=1)
        h = self._enter(before, self.place, condition)
        for block in self.blocks:
            h = block(h)
        return self.last(self.norm(h))

    def draw(self, rows: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Sequences drawn code by code, `(rows, P)`, int64, from torch's own generator.

        Arguments:
            rows: how many.
            condition: `(rows, width)`.
            temperature: the logits are divided by it; towards 0 each code is the most probable one.
        """
        latest = self._start(torch.zeros(rows, 1, dtype=torch.int64, device=self.place.device))
        caches: list[_Cache] = [[] for _ in self.blocks]
        drawn = []
        for place in self.place.split(1):
            h = self._enter(latest, place, condition)
            for block, cache in zip(self.blocks, caches):
                h = block(h, cache)
            logits = self.last(self.norm(h)).float().squeeze(1) / temperature
            latest = torch.multinomial(logits.softmax(-1), 1)
            drawn.append(latest)
        return torch.cat(drawn, dim=1)

    def _start(self, like: Tensor) -> Tensor:
        return torch.full_like(like, self.embedding.num_embeddings - 1)

    def _enter(self, before: Tensor, place: Tensor, condition: Tensor | None) -> Tensor:
        h = self.embedding(before) + place
        return h if self.condition is None else h + self.condition(condition).unsqueeze(1)


class _Block(nn.Module):
    """Attention to what lies behind, then a layer at each position, both around shortcuts."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.told = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        self.layer = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, h: Tensor, cache: _Cache | None = None) -> Tensor:
        """Features `(N, T, width)`; with a cache, T = 1 and the positions behind are those of the cache, which grows."""
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.asked(self.before(h)).chunk(3, dim=-1))
        if cache is not None:
            cache.append((key, value))
            key, value = (torch.cat(parts, dim=2) for parts in zip(*cache))
            # One pair from now on: what is joined once need not be joined again.
            cache[:] = [(key, value)]
        seen = scaled_dot_product_attention(query, key, value, is_causal=cache is None)
        h = h + self.drop(self.told(seen.transpose(1, 2).flatten(2)))
        return h + self.layer(h)
