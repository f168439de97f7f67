"""What a system is made of, found by walking one example through it: layers with real shapes, distributions, terms.

    data -> q(z|x) -> z ~ p(z) -> p(x|z) -> objective

Shapes are those of one row: the axes of particles and rows are left out.
"""

import re
from dataclasses import dataclass, field, is_dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MixtureSameFamily

from vaekit.core.choose import centre
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective, Term
from vaekit.core.schedule import Constant, Cosine, Cyclic, Linear
from vaekit.core.system import System
from vaekit.core.trace import Site, Trace

__all__ = ["Anatomy", "Layer", "Organ", "added_head", "dissect", "shaped"]

# Unlike any width in use at the front of a tensor, so that the axes in front of a row can be told from the row's own.
_ROWS = 3

# Where the networks that a person hands in stand.
_OWN = {"reader": "posterior", "writer": "likelihood"}
_ROLES = {
    "posterior": ("encoder", "q(z|x)"), "reader": ("encoder", "d(x)"), "prior": ("prior", "p(z)"),
    "levels": ("levels", "p(z), q(z|x)"), "likelihood": ("decoder", "p(x|z)"), "classifier": ("classifier", "q(y|x)"),
}


@dataclass
class Layer:
    """One step of a network.

    Arguments:
        kind: what it is, with the nonlinearity that follows.
        given: shape of a row before it.
        made: shape of a row after it.
        parameters: how many it learns.
    """

    kind: str
    given: tuple[int, ...]
    made: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Organ:
    """One part of the pipeline.

    Arguments:
        role: `data`, `encoder`, `latent`, `decoder`, `likelihood`, `objective`, or the part's own name.
        title: what it is, in a few words.
        lines: facts about it.
        layers: of its network, in the order they run.
        parameters: how many it learns.
    """

    role: str
    title: str
    lines: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    parameters: int = 0


@dataclass(frozen=True)
class Anatomy:
    """A whole system.

    Arguments:
        name: of the recipe; `composed by hand` where it has none.
        idea: the recipe in one sentence.
        source: its paper.
        parameters: how many the system learns.
        organs: in the order that data flows.
    """

    name: str
    idea: str
    source: str
    parameters: int
    organs: tuple[Organ, ...] = field(default_factory=tuple)


def dissect(system: System, document: str = "") -> Anatomy:
    """The anatomy of a system.

    Arguments:
        system: trained or not.
        document: the docstring of its recipe, for the idea and the source.
    """
    model, modality = system.model, system.modality
    training = model.training
    model.eval()
    watched: dict[str, list[_Event]] = {name: [] for name, _ in model.named_children()}
    handles = [handle for name, part in model.named_children() for handle in _watch(part, watched[name])]
    try:
        with torch.no_grad():
            trace = model(modality.example(_ROWS), centre())
            values = trace.likelihood
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
    organs = [_data(modality)]
    parts = dict(model.named_children())
    for name in sorted(parts, key=lambda n: [*_ROLES, n].index(n)):
        if name in ("prior", "levels"):
            organs.append(_latent(parts[name], trace, _layers(parts[name], watched[name])))
        else:
            organs.append(_network(system, name, parts[name], _layers(parts[name], watched[name])))
    organs += [_likelihood(modality, values), _objective(system)]
    learnt = [model, *(stage.objective for stage in system.stages)]
    idea, source = _read(document)
    return Anatomy(system.recipe or "composed by hand", idea, source, sum(map(_count, learnt)), tuple(organs))


@dataclass(frozen=True)
class _Event:
    module: nn.Module
    given: tuple[int, ...]
    made: tuple[int, ...]


def _watch(part: nn.Module, events: list[_Event]) -> list[Any]:
    def heard(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        tensors = [g for g in given if isinstance(g, Tensor)]
        if tensors and isinstance(made, Tensor):
            events.append(_Event(module, _row(tensors[0]), _row(made)))

    return [module.register_forward_hook(heard) for module in part.modules()]


def _row(values: Tensor) -> tuple[int, ...]:
    shape = tuple(values.shape)
    return shape[2:] if shape[:2] == (1, _ROWS) else shape[1:]


def _layers(part: nn.Module, events: list[_Event]) -> tuple[Layer, ...]:
    """The steps of a part: leaves, and blocks that keep a shape as one; what learns nothing is told with the step before it."""
    shapes = {event.module: event for event in reversed(events)}
    units = set(_units(part, shapes))
    layers: list[Layer] = []
    for event in events:
        # A part that another borrows is called for rows first, and then for that one.
        if event.module not in units or _idle(event.module) or shapes[event.module] is not event:
            continue
        kind, parameters = type(event.module).__name__, _count(event.module)
        if kind == "Sequential":
            kind = "Block"
        if layers and not parameters:
            layers[-1].kind += f", {kind}"
            layers[-1].made = event.made
        else:
            layers.append(Layer(kind, event.given, event.made, parameters))
    return tuple(layers)


def _units(module: nn.Module, shapes: dict[nn.Module, _Event], top: bool = True) -> list[nn.Module]:
    children = list(module.children())
    event = shapes.get(module)
    learners = sum(_count(leaf) > 0 for leaf in module.modules() if not list(leaf.children()))
    block = not top and event is not None and event.given == event.made and learners > 1
    if not children or block:
        return [module]
    return [unit for child in children for unit in _units(child, shapes, False)]


def _idle(module: nn.Module) -> bool:
    return isinstance(module, nn.Identity) or (isinstance(module, (nn.Dropout, nn.Dropout2d)) and module.p == 0)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _data(modality: Modality) -> Organ:
    state = modality.state
    lines = [_scaling(state.get("adapter", {}))]
    columns = state.get("columns") or []
    if columns:
        lines.append(", ".join(columns[:4]) + (f" and {len(columns) - 4} more" if len(columns) > 4 else ""))
    chosen = {n: v for n, v in modality.arguments.items() if v not in (False, "", "auto", "refuse")}
    if chosen:
        lines.append(", ".join(f"{n}={v}" for n, v in chosen.items()))
    if modality.condition_width:
        names = ", ".join(str(fact["name"]) for fact in state.get("conditions", []))
        lines.append(f"condition: {names} ({modality.condition_width} number{'s' * (modality.condition_width > 1)})")
    if modality.classes:
        lines.append(f"{sum(modality.class_counts):,} rows with a label of {len(modality.classes)} classes")
    return Organ("data", f"{modality.rows:,} {shaped(modality.event)}", tuple(line for line in lines if line))


def shaped(event: tuple[int, ...]) -> str:
    """What rows of this shape are, in words.

    Arguments:
        event: shape of one row in the model's space.
    """
    shape = " × ".join(map(str, event))
    return f"images of {shape}" if len(event) == 3 else f"rows of {shape} numbers" if len(event) == 1 else f"rows of {shape}"


def _scaling(adapter: dict[str, Any]) -> str:
    if not adapter:
        return ""
    if adapter["standardise"]:
        return "standardised, all values together" if adapter["pooled"] else "standardised by column"
    worth = adapter["scale"][0]
    return f"divided by {worth:g}" if worth != 1 else "values as they are"


def _base(d: Distribution) -> str:
    if isinstance(d, MixtureSameFamily):
        return f"mixture of {d.mixture_distribution.logits.shape[-1]} {_base(d.component_distribution)}s"
    while isinstance(d, Independent):
        d = d.base_dist
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(d).__name__).lower()


def added_head(system: System, own: str) -> str:
    """What was put behind a person's own network whose numbers do not fit, in words; empty where nothing was.

    Arguments:
        system: trained or not.
        own: `reader` or `writer`.
    """
    part = dict(system.model.named_children()).get(_OWN[own])
    head = part.head if isinstance(part, Neural) and own in system.handed else None
    if not isinstance(head, nn.Linear):
        return ""
    wanted = "the posterior" if own == "reader" else f"the likelihood {system.modality.likelihood}"
    return (
        f"your own {own} gives {head.in_features} numbers and {wanted} needs {head.out_features}: "
        f"a linear head {head.in_features} -> {head.out_features} was added"
    )


def _network(system: System, name: str, part: nn.Module, layers: tuple[Layer, ...]) -> Organ:
    role, formula = _ROLES.get(name, (name, ""))
    formula = formula.replace(")", ", c)") if system.modality.condition_width else formula
    lines = tuple(words for own, place in _OWN.items() if place == name and (words := added_head(system, own)))
    return Organ(role, formula or type(part).__name__, lines, layers, _count(part))


def _latent(prior: nn.Module, trace: Trace, layers: tuple[Layer, ...]) -> Organ:
    title, lines = [], []
    for name, site in trace.sites.items():
        shape = " × ".join(map(str, site.z.shape[2:]))
        title.append(f"{name}: {shape} number{'s' * (site.z.shape[2:].numel() > 1)}")
        lines += _beliefs(name[0], site, prior)
    # What a prior learns beside its layers, such as pseudo-inputs.
    for name, value in prior.named_parameters(recurse=False):
        lines.append(f"{name.replace('_', '-')}: {' × '.join(map(str, value.squeeze().shape))}")
    inner = _count(prior) - sum(p.numel() for p in prior.parameters(recurse=False))
    left = inner - sum(layer.parameters for layer in layers)
    if left:
        unasked = "of the prior's own network, which a walk that encodes does not ask"
        lines.append(f"{left:,} parameters {'of the prior wait for a stage of their own' if layers else unasked}")
    return Organ("latent", ", ".join(title), tuple(lines), layers, _count(prior))


def _beliefs(letter: str, site: Site, prior: nn.Module) -> list[str]:
    # A prior that depends on latents above it has parameters for each row.
    depends = site.prior.batch_shape[-1] > 1
    kind = "learned" if depends or (isinstance(prior, Conditional) and _count(prior)) else "standard"
    before = f"prior p({letter}): {kind} {_base(site.prior)}"
    if site.posterior is None:
        return [before]
    after = f"posterior q({letter}|x): {_base(site.posterior)}"
    if not site.random:
        return [f"{after}, deterministic", "no prior: a plain autoencoder"]
    plain = isinstance(site.posterior, Independent)
    return [f"{after}, diagonal" if plain else after, before]


def _likelihood(modality: Modality, values: Distribution) -> Organ:
    settings = modality.state.get("likelihood_arguments") or {}
    told = ", ".join(f"{n}={v}" for n, v in settings.items())
    name = modality.likelihood.replace("_", " ")
    lines = [f"why: {modality.because}"] if modality.because else []
    lines.append(f"one {_base(values)} for each of {prod(modality.event):,} values")
    return Organ("likelihood", f"{name} ({told})" if told else name, tuple(lines))


def _objective(system: System) -> Organ:
    lines = []
    for index, stage in enumerate(system.stages):
        before = f"stage {index + 1}: " if len(system.stages) > 1 else ""
        lines += [before + line for line in _terms(stage.objective)]
        if stage.learn:
            lines.append(f"{before}learns {', '.join(stage.learn)}")
        kept = ", keeps the last weights" if stage.keep == "last" else ""
        lines.append(f"{before}watches {stage.watch} on held-out rows{kept}")
    count = len(system.stages)
    return Organ("objective", "minimised" if count == 1 else f"minimised in {count} stages", tuple(lines))


def _terms(objective: Objective) -> list[str]:
    return [_term(term) for term in objective.terms]


def _term(term: Term) -> str:
    meaning = (type(term).__doc__ or "").strip().split("\n")[0].split(", `")[0].rstrip(".")
    words = f"{_in_words(term.schedule)} × {term.name}: " + meaning.removeprefix(f"The {term.name}: ")
    others = {n: v for n, v in vars(term).items() if n != "schedule" and is_dataclass(v) and isinstance(v, _SCHEDULES)}
    for name, value in others.items():
        words += f"; {name} {_in_words(value)}"
    return words + (f"; {term.needs.particles} particles" if term.needs.particles > 1 else "")


_SCHEDULES = (Constant, Linear, Cosine, Cyclic)


def _in_words(weight: Any) -> str:
    if isinstance(weight, Constant):
        return f"{weight.value:g}"
    if isinstance(weight, (Linear, Cosine)):
        return f"({weight.start:g} to {weight.stop:g} over the first {weight.until:.0%})"
    if isinstance(weight, Cyclic):
        return f"({weight.start:g} to {weight.stop:g} in {weight.cycles} cycles)"
    return type(weight).__name__


def _read(document: str) -> tuple[str, str]:
    """The first sentence of a docstring and what stands after `Source:`."""
    idea = document.strip().split("\n")[0].rstrip(".")
    found = re.search(r"Source:\s*(.+?)\s*(?:\n\s*\n|$)", document, re.DOTALL)
    return idea, " ".join(found.group(1).split()).rstrip(".") if found else ""
