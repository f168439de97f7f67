r"""What is minimised: a weighted sum of terms, each of which reads a trace.

    loss = sum_terms w_t(progress) * (1/B) sum_b weight_b * l_t(b)     [nats a row]

Terms return nats by particle and row; the objective is the only place that reduces over rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.func import functional_call

from vaekit.core.batch import Batch
from vaekit.core.choose import Chooser, enumerate_, fixed, from_posterior, from_prior
from vaekit.core.dispatch import stop
from vaekit.core.learned import Begins, Follows
from vaekit.core.noise import Noise
from vaekit.core.schedule import Scheduled, Weight, schedule
from vaekit.core.trace import LatentModel, Site, Trace

__all__ = ["Needs", "Objective", "Step", "Term", "cut_off"]


@dataclass(frozen=True)
class Needs:
    """What a term asks of the walk.

    Arguments:
        particles: draws a row; an objective takes the largest.
        fantasies: whether draws from the prior are decoded; an objective takes any.
        alone: whether no other term may read the walk, because this one changes what flows back through the latents.
        rates: whether each site's KL, and with it the bound, is read beside the terms; an objective reads them where all terms allow it.
        cut: whether the same latents are decoded once more, with no gradient back to them; an objective takes any.
        enumerated: discrete sites whose every state is walked, weighted by the belief; an objective takes all that are named.
        labels: share of a batch's rows that should have a label, where few do; an objective takes the largest.
    """

    particles: int = 1
    fantasies: bool = False
    alone: bool = False
    rates: bool = True
    cut: bool = False
    enumerated: tuple[str, ...] = ()
    labels: float = 0.0


class Term(Scheduled):
    """One summand of an objective.

    Arguments:
        name: unique in its objective; names the reading.
        weight: a number, a schedule, or a schedule's JSON form.
    """

    needs = Needs()

    def __init__(self, name: str, weight: Weight = 1.0):
        super().__init__()
        self.name = name
        self.schedule = schedule(weight)

    def forward(self, trace: Trace) -> Tensor:
        """The term, `(S, B)`, `(B,)` or `()`, nats; `()` uses statistics of the batch, per rank."""
        raise NotImplementedError

    def readings(self, trace: Trace) -> Mapping[str, Tensor]:
        """What else is to be read of a walk beside the term, such as how a critic judges: name -> `(S, B)`, `(B,)` or `()`."""
        return {}

    def opponent(self, trace: Trace) -> Tensor | None:
        """What the term's own network pays, from a trace without gradients; None = it has no network."""
        return None


class Objective(nn.Module):
    """A weighted sum of terms.

    Arguments:
        terms: at least one, with different names.

    Raises:
        ValueError: where there is none, two have one name, or one that must stand alone does not.
    """

    def __init__(self, *terms: Term):
        super().__init__()
        names = [term.name for term in terms]
        if not terms or len(set(names)) < len(names):
            raise ValueError(f"an objective needs terms with different names, not {names}")
        alone = [term.name for term in terms if term.needs.alone]
        if alone and len(terms) > 1:
            others = ", ".join(repr(name) for name in names if name != alone[0])
            raise ValueError(
                f"term {alone[0]!r} changes every gradient that flows back through the latents, that of {others} too: let it stand alone, "
                "or leave its doubly reparameterised gradient out"
            )
        self.terms: list[Term] = nn.ModuleList(terms)  # type: ignore[assignment]

    def advance(self, progress: float) -> None:
        """Say which fraction of the stage is done, in [0, 1]; every schedule reads it."""
        for term in self.terms:
            term.advance(progress)

    @property
    def needs(self) -> Needs:
        """What all terms together ask of the walk."""
        needs = [term.needs for term in self.terms]
        enumerated = tuple(dict.fromkeys(site for n in needs for site in n.enumerated))
        some = {name: any(getattr(n, name) for n in needs) for name in ("fantasies", "alone", "cut")}
        most = {name: max(getattr(n, name) for n in needs) for name in ("particles", "labels")}
        return Needs(rates=all(n.rates for n in needs), enumerated=enumerated, **some, **most)

    def forward(self, trace: Trace) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, (), and the readings: each term's unweighted mean, what else it reads, and each site's KL, detached."""
        readings: dict[str, Tensor] = {}
        weighted = []
        for term in self.terms:
            value = self.reduce(term(trace), trace)
            readings[term.name] = value.detach()
            weighted.append(term.schedule(term.progress) * value)
        for term in self.terms:
            readings.update({name: self.reduce(value.detach(), trace) for name, value in term.readings(trace).items()})
        for name, site in trace.sites.items():
            if site.random and self.needs.rates:
                readings[f"kl.{name}"] = self.reduce(site.kl(), trace).detach()
        return sum(weighted[1:], start=weighted[0]), readings

    def opponent(self, trace: Trace) -> Tensor | None:
        """What the terms' own networks pay, (); None where no term has one."""
        paid = [self.reduce(value, trace) for value in (term.opponent(trace) for term in self.terms) if value is not None]
        return sum(paid[1:], start=paid[0]) if paid else None

    @staticmethod
    def reduce(values: Tensor, trace: Trace) -> Tensor:
        """Mean over particles with their weights, then sum(weight * l) / B."""
        if values.dim() == 0:
            return values
        by_row = trace.mean(values) if values.dim() == 2 else values
        weight = trace.batch.weight
        return (by_row if weight is None else weight * by_row).mean()


class Step(nn.Module):
    """A walk and its losses as one module, for `torch.compile` and for several devices.

    The loss sees the objective's own networks as constants, the opponent sees the walk as a constant: one backward of
    loss + opponent then serves both sides.

    Arguments:
        model: the walk.
        objective: what is minimised.
    """

    def __init__(self, model: LatentModel, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective
        self._opposed = any(True for _ in objective.parameters())
        # A frozen part is in eval mode: its buffers stay as its weights do.
        self.scheduled = [m for m in self.modules() if isinstance(m, Scheduled)]
        self.beginners = [m for m in self.modules() if isinstance(m, Begins) and m.awake]
        self.learners = {name: m for name, m in self.named_modules() if m.training and isinstance(m, Follows)}

    def advance(self, progress: float) -> None:
        """Say which fraction of the stage is done, in [0, 1]; every schedule reads it, of the objective and of the model."""
        for part in self.scheduled:
            part.advance(progress)

    def walk(self, batch: Batch, noise: Noise | None = None) -> Trace:
        """The walk that the objective asks for.

        Arguments:
            batch: rows to explain.
            noise: uniforms that the latents are drawn from; None = torch's own generator.
        """
        trace = self.model(batch, self.chooser(noise), fantasies=self.objective.needs.fantasies)
        return cut_off(self.model, trace) if self.objective.needs.cut else trace

    def chooser(self, noise: Noise | None = None) -> Chooser:
        """Who decides the latents that the objective reads."""
        choose: Chooser = from_posterior(self.objective.needs.particles, noise)
        for site in self.objective.needs.enumerated:
            choose = enumerate_(site, choose)
        return choose

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None, dict[str, Tensor], dict[str, Tensor]]:
        """The loss (), the opponent's loss () or None, the readings, and what the learners observed."""
        trace = self.walk(batch)
        loss, opponent, readings = self._losses(trace)
        # Last: a learner looks without gradients, and the first look at a trace decodes it.
        observed = {name: learner.observe(trace).detach() for name, learner in self.learners.items()}
        return loss, opponent, readings, observed

    def _losses(self, trace: Trace) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        if not self._opposed:
            loss, readings = self.objective(trace)
            return loss, None, readings
        constants: Mapping[str, Tensor] = {n: p.detach() for n, p in self.objective.named_parameters()}
        loss, readings = functional_call(self.objective, constants, (trace,))  # type: ignore[arg-type]
        opponent = self.objective.opponent(without_gradient(trace))
        return loss, opponent, readings if opponent is None else {**readings, "opponent": opponent.detach()}


def cut_off(model: LatentModel, trace: Trace) -> Trace:
    """The same trace with its latents decoded once more, so that what a decoder pays there does not reach who decided them."""
    latents = fixed({name: site.z.detach() for name, site in trace.sites.items()}, from_prior())
    again = model(trace.batch.without_x(), latents).likelihood
    return Trace(trace.batch, trace.sites, trace.decode, trace.weight, trace.fantasy, again)


def without_gradient(trace: Trace) -> Trace:
    """The same trace as a constant: what an opponent is shown."""
    sites = {
        n: Site(s.z.detach(), *(None if d is None else stop(d) for d in (s.prior, s.posterior, s.belief)))  # type: ignore[arg-type]
        for n, s in trace.sites.items()
    }
    fantasy, cut = (None if d is None else stop(d) for d in (trace.fantasy, trace.cut))
    weight = None if trace.weight is None else trace.weight.detach()
    return Trace(trace.batch, sites, lambda: stop(trace.likelihood), weight, fantasy, cut)
