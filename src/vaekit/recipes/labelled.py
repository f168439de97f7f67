r"""Systems that learn classes from the few rows whose class is known, and from all others.

| recipe | minimises | paper |
| --- | --- | --- |
| `m1` | the bound; then -log q(y|z) on frozen latents | Kingma et al. 2014, arXiv:1406.5298 |
| `m2` | the bounds on log p(x, y) and log p(x) + alpha -log q(y|x) | the same |
| `m1_m2` | the bound; then that of `m2` on frozen latents; then that of both together | the same |

A batch holds more labelled rows than the data does, with weights that keep every mean that of the data: see data/loading.py.
"""

from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Annotated, Any

from torch import nn

from vaekit.core.conditional import Conditional, Neural
from vaekit.core.declared import Count, NonNegative, Part, Range, Share
from vaekit.core.errors import InputError
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight, ends
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE, LabelledVAE, StackedVAE
from vaekit.parts.networks import MLP, Late, shifted
from vaekit.parts.objectives import KL, Classification, RateUnder, Reconstruction
from vaekit.parts.posteriors import Classes, DrawnNormal, Normal, normal_posterior, weighed_means
from vaekit.parts.priors import ClassPrior, Standard

__all__ = ["m1", "m1_m2", "m2"]


def _classes(modality: Modality) -> ClassPrior:
    """p(y) of the data's labels; refuses data whose labels cannot be learnt from."""
    return ClassPrior(modality.classes, modality.class_counts)


def _share(modality: Modality) -> float:
    """Of the rows that have a label."""
    return sum(modality.class_counts) / modality.rows


def m1(
    modality: Modality, latent: Count = 50, above: tuple[Count, ...] = (128,), beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    vae_share: Part = 0.8, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """M1: a VAE of all rows, then a classifier on its frozen latents, -log q(y|z), z ~ q(z|x), from the rows with a label.

    Arguments:
        modality: fitted to the data, with labels, some of which may be missing.
        latent: dimensions of z.
        above: widths of the network from z to the class.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats a coordinate of z below which the rate costs nothing more.
        vae_share: share of the training that the VAE gets, in (0, 1); the classifier gets the rest.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the means of q(z|x) are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298.
    """
    _classes(modality)
    posterior = normal_posterior(modality.reader(own=reader, **network), latent, mean_spread)
    told = Neural(MLP(latent + modality.condition_width, above), Classes(len(modality.classes)))
    decoder = modality.writer(latent, likelihood=likelihood, own=writer, **network)
    first = Stage(Objective(Reconstruction(), KL(beta, free_bits)), learn=("posterior", "likelihood"), share=vae_share)
    told_apart = Objective(Classification(_share(modality), 1.0, 0.5, ()))
    second = Stage(told_apart, learn=("classifier",), share=1 - vae_share, watch="classification")
    return System(VAE(posterior, Standard(latent), decoder, told), [first, second], modality)


def m2(
    modality: Modality, latent: Count = 50, alpha: NonNegativeWeight = 20.0, labelled: Share = 0.25, free_bits: NonNegative = 0.0,
    classifier: Mapping[str, Any] = MappingProxyType({}), shift: Annotated[int, Range(0)] = 0, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """M2: the bound on log p(x, y) where y was seen, on log p(x) with all y elsewhere, + alpha -log q(y|x) where y was seen.

    Arguments:
        modality: fitted to the data, with labels, some of which may be missing.
        latent: dimensions of z, which holds what y does not.
        alpha: weight of the mean of -log q(y|x) over labelled rows beside the mean of the bound over all rows; a number or a schedule.
            The paper's is 0.1, under which classes that the bound finds by itself are slow to become those of the labels.
        labelled: share of a batch that is labelled rows, where the data has fewer.
        free_bits: nats a coordinate of z, and of the class as one, below which the rate costs nothing more.
        classifier: sizes of q(y|x)'s network where they are others than those of q(z|x, y)'s, such as `{"dropout": 0.3}`.
        shift: pixels that q(y|x) sees an image moved by at most, down and across, anew each time while training: a class does not hang on
            the place.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder: q(y|x) and q(z|x, y) begin with a copy each; what is frozen of it stays so.
        writer: a person's own decoder, from the classes and z side by side.
        mean_spread: deviation over a batch, each class of a row as it is believed, to which the means of q(z|x, y) are normalised, against
            a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298.
    """
    classes, count = _classes(modality), len(modality.classes)
    told_apart = _classifier(modality, reader, network, classifier, shift)
    trunk: Any = modality.reader(own=reader, **network)
    posterior = Neural(Late(trunk, MLP(trunk.width + count, (trunk.width,))), Normal(latent))
    decoder = modality.writer(count + latent, likelihood=likelihood, own=writer, **network)
    model = LabelledVAE(told_apart, classes, posterior, Standard(latent), decoder, weighed_means(latent, mean_spread))
    objective = Objective(Reconstruction(), KL(1.0, free_bits), Classification(_share(modality), alpha, labelled))
    return System(model, [Stage(objective)], modality)


def m1_m2(
    modality: Modality, features: Count = 50, latent: Count = 50, above: tuple[Count, ...] = (256, 256), alpha: NonNegativeWeight = 20.0,
    labelled: Share = 0.25, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0, vae_share: Part = 0.3, joint: Part = 0.7,
    classifier: Mapping[str, Any] = MappingProxyType({}), shift: Annotated[int, Range(0)] = 0, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """M1 + M2: a VAE of all rows; M2 on draws of its frozen latent, -log p(f|y, z) in the place of -log p(x|y, z); then both together.

    The class is told from the row, q(y|x), where the paper tells it from the latent, q(y|f): a bound on the same model. The paper ends with
    a latent that was learnt without classes; here all parts go on together by the bound on the whole model, so that rows of a class come
    to lie together. A `joint` near zero is the paper's M1 + M2.

    Arguments:
        modality: fitted to the data, with labels, some of which may be missing.
        features: dimensions of f, the latent of the VAE.
        latent: dimensions of z, the latent of M2.
        above: widths of q(z|f, y)'s network and of p(f|y, z)'s.
        alpha: weight of the mean of -log q(y|x) over labelled rows beside the mean of M2's bound over all rows; a number or a schedule.
        labelled: share of a batch that is labelled rows, where the data has fewer.
        beta: weight of the rate of f while the VAE is learnt, a number or a schedule; where it ends, of all rates once all learn together.
        free_bits: nats a coordinate of f, then of z, and of the class as one, below which the rate costs nothing more; once all learn
            together, of f as one.
        vae_share: share of the training that the VAE gets, in (0, 1).
        joint: share of the rest in which all learn together, in (0, 1); before it, M2 learns alone.
        classifier: sizes of q(y|x)'s network where they are others than those of q(f|x)'s, such as `{"dropout": 0.3}`.
        shift: pixels that q(y|x) sees an image moved by at most, down and across, anew each time while training: a class does not hang on
            the place.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder: q(f|x) and q(y|x) begin with a copy each; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the means of q(f|x) are normalised, and those of q(z|f, y), each class as it is
            believed, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298; all layers together: Maaloee et al. 2016, arXiv:1602.05473.
    """
    classes = _classes(modality)
    posterior = normal_posterior(modality.reader(own=reader, **network), features, mean_spread, "features")
    told_apart = _classifier(modality, reader, network, classifier, shift)
    decoder = modality.writer(features, likelihood=likelihood, own=writer, **network)
    model = StackedVAE(posterior, Standard(features), decoder, _above(modality, classes, told_apart, features, latent, above, mean_spread))
    below = Objective(Reconstruction(), RateUnder("features", model.prior, beta, free_bits))
    first = Stage(below, learn=("posterior", "likelihood"), share=vae_share)
    told, left = Classification(_share(modality), alpha, labelled), 1 - vae_share
    second = Stage(Objective(KL(1.0, free_bits), told), learn=("above",), share=left * (1 - joint))
    both = Objective(Reconstruction(), KL(ends(beta)[1], free_bits), told)
    third = Stage(both, learn=("posterior", "likelihood", "above"), share=left * joint)
    return System(model, [first, second, third], modality)


def _classifier(
    modality: Modality, own: nn.Module | None, network: Mapping[str, Any], other: Mapping[str, Any], shift: int
) -> Neural:
    """q(y|x, c), from a copy of a person's own encoder or a network of its own sizes."""
    for name in other:
        if name in ("own", "grid"):
            raise InputError(f"classifier: {name!r} is no size of a network; give such as hidden, channels or dropout")
    if own is not None and other:
        raise InputError("classifier gives sizes to a network, but with reader= it is a copy of that one: drop one of the two")
    reader = modality.reader(own=deepcopy(own), **{**network, **other})
    return Neural(shifted(reader, shift, modality.event), Classes(len(modality.classes)))


def _above(
    modality: Modality, classes: ClassPrior, classifier: Conditional, features: int, latent: int, hidden: tuple[int, ...],
    mean_spread: float,
) -> LabelledVAE:
    """M2 of features."""
    count, told = len(modality.classes), modality.condition_width
    posterior = Neural(MLP(features + told + count, hidden), Normal(latent))
    explained = Neural(MLP(count + latent + told, hidden), DrawnNormal(features))
    return LabelledVAE(classifier, classes, posterior, Standard(latent), explained, weighed_means(latent, mean_spread))
