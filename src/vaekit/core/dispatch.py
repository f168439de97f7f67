r"""Rules chosen by the type of a distribution: one table a question, a plain dict look-up.

| table | question | answer |
| --- | --- | --- |
| `divergence(q, p)` | KL(q || p) by coordinate | `(S, B, *latent)`, or None where no rule stands |
| `log_likelihood(d, x, observed)` | log p(x) of what was seen | `(S, B, *event)`, 0 at gaps |
| `complete(d, x, observed)` | the rest given the seen | like x |
| `temper(d, t)` | the same distribution, hotter or colder | a distribution |
| `centre(d)` | mean where the space is linear, mode or code otherwise | a value |
| `soft(d)` | a differentiable stand-in for a sample | a value |
| `stop(d)` | parameters detached | a distribution |
| `from_noise(d, u)` | a draw from uniforms in (0, 1) | a value |
| `onto(d, z)` | the value of the latent's own space that is nearest to z | like z |
| `dense(d)` | has it a density? (a point in a continuum has none) | bool |
| `codebook(d)` | which codes stand for its values | codes <-> values, or None in a continuum |

Each distribution registers its own rules beside its definition; torch's own are registered in `core/rules.py`. torch's
`kl_divergence` is not used: its first look-up of a pair cannot be traced by `torch.compile`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

__all__ = [
    "Table", "centre", "codebook", "complete", "dense", "divergence", "fill", "from_noise", "log_likelihood", "onto", "soft", "stop",
    "temper",
]

Rule = Callable[..., Any]


class Table:
    """Rules by the exact types of the first `arity` arguments.

    Arguments:
        name: what the rule does, for the error.
        arity: how many leading arguments choose the rule.
        default: the rule where none is registered; None = an error that names the types.
    """

    def __init__(self, name: str, arity: int = 1, default: Rule | None = None):
        self.name, self.arity, self.default = name, arity, default
        self.rules: dict[tuple[type, ...], Rule] = {}

    def register(self, *types: type) -> Callable[[Rule], Rule]:
        """Decorator: this function is the rule for these types."""

        def keep(rule: Rule) -> Rule:
            self.rules[types] = rule
            return rule

        return keep

    def __call__(self, *arguments: Any) -> Any:
        """Apply the rule that stands for the arguments' types.

        Raises:
            NotImplementedError: where no rule stands; it names the question and the types.
        """
        types = tuple(type(a) for a in arguments[: self.arity])
        rule = self.rules.get(types, self.default)
        if rule is None:
            raise NotImplementedError(f"no rule '{self.name}' for {' and '.join(t.__name__ for t in types)}: register one beside it")
        return rule(*arguments)


def fill(x: Tensor, observed: Tensor | None, support: constraints.Constraint) -> Tensor:
    """Put a harmless value inside the support where nothing was seen, so that no NaN can spread through a gradient."""
    if observed is None:
        return x
    inside = 0.5 if support is constraints.unit_interval else 1.0 if support is constraints.positive else 0.0
    return torch.where(observed, x, torch.full((), inside, dtype=x.dtype, device=x.device))


def _elementwise_log_likelihood(d: Distribution, x: Tensor, observed: Tensor | None) -> Tensor:
    values = d.log_prob(fill(x, observed, d.support))  # type: ignore[arg-type]
    return values if observed is None else torch.where(observed, values, torch.zeros((), dtype=values.dtype, device=x.device))


def _elementwise_complete(d: Distribution, x: Tensor, observed: Tensor | None) -> Tensor:
    drawn = d.sample()
    return drawn if observed is None else torch.where(observed, x, drawn.to(x.dtype))


divergence = Table("divergence", arity=2, default=lambda q, p: None)
log_likelihood = Table("log_likelihood", default=_elementwise_log_likelihood)
complete = Table("complete", default=_elementwise_complete)
temper = Table("temper")
centre = Table("centre", default=lambda d: d.mean)
soft = Table("soft", default=lambda d: d.mean)
stop = Table("stop")
from_noise = Table("from_noise")
onto = Table("onto", default=lambda d, z: z)
dense = Table("dense", default=lambda d: True)
codebook = Table("codebook", default=lambda d: None)
