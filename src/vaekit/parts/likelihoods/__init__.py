"""Families of p(x|z): what a decoder's features become, one for each kind of value."""

from vaekit.parts.likelihoods.binary import Bernoulli, ContinuousBernoulli
from vaekit.parts.likelihoods.categorical import Categorical
from vaekit.parts.likelihoods.continuous import Beta, Laplace, Normal, StudentT
from vaekit.parts.likelihoods.counts import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial, ZeroInflatedPoisson
from vaekit.parts.likelihoods.domain import Domain
from vaekit.parts.likelihoods.likelihood import Likelihood
from vaekit.parts.likelihoods.pixels import DiscretisedLogistic, DiscretisedLogisticMixture
from vaekit.parts.likelihoods.seen import Seen

__all__ = [
    "LIKELIHOODS", "Bernoulli", "Beta", "Categorical", "ContinuousBernoulli", "DiscretisedLogistic", "DiscretisedLogisticMixture",
    "Domain", "Laplace", "Likelihood", "NegativeBinomial", "Normal", "Poisson", "Seen", "StudentT", "ZeroInflatedNegativeBinomial",
    "ZeroInflatedPoisson",
]

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "normal": Normal,
    "laplace": Laplace,
    "student_t": StudentT,
    "beta": Beta,
    "discretised_logistic": DiscretisedLogistic,
    "discretised_logistic_mixture": DiscretisedLogisticMixture,
    "categorical": Categorical,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "zero_inflated_poisson": ZeroInflatedPoisson,
    "zero_inflated_negative_binomial": ZeroInflatedNegativeBinomial,
}
