r"""The rules of torch's own distributions.

KL(N(m, s^2) || N(n, t^2)) = log t/s + (s^2 + (m - n)^2) / 2 t^2 - 1/2, by coordinate (Kingma, Welling 2013, arXiv:1312.6114, App. B).

Tempering raises a density to the power 1/t^2 for scale families, x = m + t s e, and to 1/t for categories, so that t = 0 is the
centre and t = 1 the distribution itself.
"""

import torch
from torch import Tensor
from torch import distributions as D

from vaekit.core.dispatch import centre, divergence, from_noise, soft, stop, temper

__all__ = ["quantile_normal"]

_TINY = 1e-6


def quantile_normal(u: Tensor) -> Tensor:
    """The standard normal's quantile function at u in (0, 1)."""
    return torch.special.ndtri(u)


@divergence.register(D.Normal, D.Normal)
def _(q: D.Normal, p: D.Normal) -> Tensor:
    ratio = (q.scale / p.scale).square()
    return 0.5 * (ratio + ((q.loc - p.loc) / p.scale).square() - 1 - ratio.log())


@divergence.register(D.Independent, D.Independent)
def _(q: D.Independent, p: D.Independent) -> Tensor | None:
    return divergence(q.base_dist, p.base_dist) if q.reinterpreted_batch_ndims == p.reinterpreted_batch_ndims else None


@divergence.register(D.Categorical, D.Categorical)
def _(q: D.Categorical, p: D.Categorical) -> Tensor:
    # 0 log 0 = 0: an impossible category adds nothing, but -inf times 0 would be NaN.
    return torch.where(q.probs > 0, q.probs * (q.logits - p.logits), torch.zeros_like(q.probs)).sum(-1)


@divergence.register(D.Bernoulli, D.Bernoulli)
def _(q: D.Bernoulli, p: D.Bernoulli) -> Tensor:
    softplus = torch.nn.functional.softplus
    return q.probs * (softplus(-p.logits) - softplus(-q.logits)) + (1 - q.probs) * (softplus(p.logits) - softplus(q.logits))


@temper.register(D.Normal)
def _(d: D.Normal, t: float) -> D.Normal:
    return D.Normal(d.loc, d.scale * max(t, _TINY), validate_args=False)


@temper.register(D.Categorical)
def _(d: D.Categorical, t: float) -> D.Categorical:
    return D.Categorical(logits=d.logits / max(t, _TINY), validate_args=False)


@temper.register(D.Bernoulli)
def _(d: D.Bernoulli, t: float) -> D.Bernoulli:
    return D.Bernoulli(logits=d.logits / max(t, _TINY), validate_args=False)


@temper.register(D.Independent)
def _(d: D.Independent, t: float) -> D.Independent:
    return D.Independent(temper(d.base_dist, t), d.reinterpreted_batch_ndims, validate_args=False)


@temper.register(D.MixtureSameFamily)
def _(d: D.MixtureSameFamily, t: float) -> D.MixtureSameFamily:
    return D.MixtureSameFamily(temper(d.mixture_distribution, t), temper(d.component_distribution, t), validate_args=False)


@centre.register(D.Independent)
def _(d: D.Independent) -> Tensor:
    return centre(d.base_dist)


@centre.register(D.Categorical)
def _(d: D.Categorical) -> Tensor:
    return d.logits.argmax(-1)


@soft.register(D.Categorical)
def _(d: D.Categorical) -> Tensor:
    return d.probs


@soft.register(D.Independent)
def _(d: D.Independent) -> Tensor:
    return soft(d.base_dist)


@stop.register(D.Normal)
def _(d: D.Normal) -> D.Normal:
    return D.Normal(d.loc.detach(), d.scale.detach(), validate_args=False)


@stop.register(D.Categorical)
def _(d: D.Categorical) -> D.Categorical:
    return D.Categorical(logits=d.logits.detach(), validate_args=False)


@stop.register(D.Bernoulli)
def _(d: D.Bernoulli) -> D.Bernoulli:
    return D.Bernoulli(logits=d.logits.detach(), validate_args=False)


@stop.register(D.Independent)
def _(d: D.Independent) -> D.Independent:
    return D.Independent(stop(d.base_dist), d.reinterpreted_batch_ndims, validate_args=False)


@stop.register(D.MixtureSameFamily)
def _(d: D.MixtureSameFamily) -> D.MixtureSameFamily:
    return D.MixtureSameFamily(stop(d.mixture_distribution), stop(d.component_distribution), validate_args=False)


@from_noise.register(D.Normal)
def _(d: D.Normal, u: Tensor) -> Tensor:
    return d.loc + d.scale * quantile_normal(u)


@from_noise.register(D.Categorical)
def _(d: D.Categorical, u: Tensor) -> Tensor:
    return (d.probs.cumsum(-1)[..., :-1] < u.unsqueeze(-1)).sum(-1)


@from_noise.register(D.Bernoulli)
def _(d: D.Bernoulli, u: Tensor) -> Tensor:
    return (u < d.probs).to(u.dtype)


@from_noise.register(D.Independent)
def _(d: D.Independent, u: Tensor) -> Tensor:
    return from_noise(d.base_dist, u)
