r"""How much a latent tells of its row.

    I(x; z) ~ E log q(z|x) - log (1/N) sum_n q(z|x_n) <= log N        (Hoffman, Johnson 2016, ELBO surgery)
"""

from collections.abc import Sequence
from math import log

import torch

from vaekit.core.trace import Site

__all__ = ["mutual_information"]

# Values of pairs of rows that are held at once.
_VALUES = 1 << 22


def mutual_information(sites: Sequence[Site]) -> float:
    """The mutual information of rows and one latent, nats; the time grows with the square of the rows.

    Arguments:
        sites: the latent as it was drawn for each batch of rows; the first draw of each row is used.

    Raises:
        ValueError: where one was drawn without looking at a row.
    """
    posteriors = [site.posterior for site in sites if site.posterior is not None]
    if len(posteriors) < len(sites):
        raise ValueError("a latent that was drawn without looking at a row tells nothing of it")
    total, widest, gained = sum(site.z.shape[1] for site in sites), max(site.z.shape[1] for site in sites), 0.0
    for site, posterior in zip(sites, posteriors):
        drawn = site.z[0]
        own = posterior.log_prob(drawn.unsqueeze(0))[0]
        size = max(_VALUES // (widest * drawn[0].numel()), 1)
        for z, mine in zip(drawn.split(size), own.split(size)):
            pairs = torch.cat([other.log_prob(z.unsqueeze(1)) for other in posteriors], dim=1)
            gained += float((mine - pairs.logsumexp(1) + log(total)).double().sum())
    return gained / total
