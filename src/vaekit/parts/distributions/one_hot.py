r"""The rules of a class as a one-hot row, y in {e_1 .. e_K}: torch's `OneHotCategorical`.

    KL(q || p) = sum_k q_k log(q_k / p_k)
    a draw from uniforms u: e_k at k = argmax_k [log p_k - log(-log u_k)]          (Gumbel 1954)

One-hot rather than a number, so that a class lies beside other latents as coordinates, and between two classes there are mixtures.
"""

import torch
from torch import Tensor
from torch.distributions import OneHotCategorical
from torch.nn.functional import one_hot

from vaekit.core.dispatch import centre, divergence, from_noise, soft, stop, temper

__all__: list[str] = []

_TINY = 1e-6


@divergence.register(OneHotCategorical, OneHotCategorical)
def _(q: OneHotCategorical, p: OneHotCategorical) -> Tensor:
    # 0 log 0 = 0, in the gradient too: a class that is out of the question adds nothing.
    apart = torch.where(q.probs > 0, q.logits - p.logits, torch.zeros_like(q.probs))
    return (q.probs * apart).sum(-1)


@temper.register(OneHotCategorical)
def _(d: OneHotCategorical, t: float) -> OneHotCategorical:
    return OneHotCategorical(logits=d.logits / max(t, _TINY), validate_args=False)


@centre.register(OneHotCategorical)
def _(d: OneHotCategorical) -> Tensor:
    return one_hot(d.logits.argmax(-1), d.logits.shape[-1]).to(d.logits.dtype)


@soft.register(OneHotCategorical)
def _(d: OneHotCategorical) -> Tensor:
    return d.probs


@stop.register(OneHotCategorical)
def _(d: OneHotCategorical) -> OneHotCategorical:
    return OneHotCategorical(logits=d.logits.detach(), validate_args=False)


@from_noise.register(OneHotCategorical)
def _(d: OneHotCategorical, u: Tensor) -> Tensor:
    drawn = (d.logits - (-u.log()).log()).argmax(-1)
    return one_hot(drawn, d.logits.shape[-1]).to(d.logits.dtype)
