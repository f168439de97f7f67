r"""What a latent of codes holds, and what its prior knows of it.

    codes used = |{k: some row has k}| / K          perplexity = exp H(m),   m_k = share of code k over rows and positions
    information = sum_p [H(mean_x q_p) - mean_x H(q_p)]  >= I(x; z)   (equal where positions are independent)
    bits a code: -log2 p(k|c) / P          without a prior log2 K, from the shares alone H(m)
    use = E log p(x|z) - E log p(x|z'),  z' the latent of another row

An entropy from N rows is an underestimate; each figure says how many there were.
"""

from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor

from vaekit.core import dispatch
from vaekit.core.choose import fixed, from_posterior
from vaekit.core.system import System
from vaekit.core.trace import Site, Trace
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.values import of_others
from vaekit.tasks.walk import Progress, Rows, at_rest, batches, count, layout, noise_of, silent

__all__ = ["CodeUse", "measure_codes"]


@dataclass(frozen=True)
class CodeUse:
    """Measures of a latent of codes over rows.

    Arguments:
        shares: of each code over rows and positions, `(K,)`, sums to one.
        information: by position, nats, `(P,)`.
        rate: mean of -log p(k) + log q(k|x) a row, nats.
        prior: mean of -log p(k) a code, nats.
        use: how much worse a row is explained by another row's codes, nats.
        rows: how many rows.
        seed: of the draws.
    """

    shares: np.ndarray
    information: np.ndarray
    rate: float
    prior: float
    use: float
    rows: int
    seed: int

    @property
    def width(self) -> int:
        """Codes of a row."""
        return len(self.information)

    @property
    def codes(self) -> int:
        """K."""
        return len(self.shares)

    @property
    def reachable(self) -> int:
        """How many codes the rows can show at most."""
        return min(self.codes, self.rows * self.width)

    @property
    def used(self) -> int:
        """How many codes some row has."""
        return int((self.shares > 0).sum())

    @property
    def entropy(self) -> float:
        """H of the shares, nats."""
        seen = self.shares[self.shares > 0]
        return float(-(seen * np.log(seen)).sum())

    @property
    def corrected_entropy(self) -> float:
        """H with what a few rows leave out of it to first order, nats (Miller 1955); at most log K."""
        return min(self.entropy + (self.used - 1) / (2 * self.rows * self.width), log(self.codes))

    @property
    def perplexity(self) -> float:
        """How many codes would be used, were all used alike."""
        return float(np.exp(self.entropy))

    def figures(self) -> list[Figure]:
        """All of them, to be reported."""
        n, seed, k, bit = self.rows, self.seed, self.codes, log(2)
        over = f"over the {self.width} codes of each row"
        swapped = "distortion under another row's codes less that under its own"
        entropies = f"entropy of the shares of the codes {over}; {log(k) / bit:.2f} if all were used alike"
        prior = f"mean of -log2 p(k|c) {over}; {log(k) / bit:.2f} where all codes are equally probable"
        return [
            figure("codes used", self.used, f"of {k}", "higher", f"codes that some row has, {over}", n, seed),
            figure("perplexity of the codes", self.perplexity, "codes", "higher", f"exp of the entropy, {over}", n, seed),
            figure("entropy of a code", self.entropy / bit, "bits", "higher", entropies, n, seed, ceiling=log(k) / bit),
            figure("prior's bits a code", self.prior / bit, "bits", "lower", prior, n, seed, shares=self.entropy / bit),
            figure("information", float(self.information.sum()), "nats", "none", "entropy of each code over rows, less that of its own "
                   "distribution, summed over positions", n, seed),
            figure("use of the latent", self.use, "nats", "higher", swapped, n, seed),
        ]

    def by_dimension(self) -> dict[str, list[float]]:
        """Lists for the report: the shares, largest first, and the information by position."""
        return {"shares": np.sort(self.shares)[::-1].tolist(), "information": self.information.tolist()}


def measure_codes(system: System, rows: Rows, seed: int = 0, progress: Progress = silent) -> CodeUse:
    """Measure a latent of codes on rows; with several latents, they are one sequence, of the most codes that one has.

    Arguments:
        system: fitted, every latent of it of codes.
        rows: stored by the system's modality.
        seed: of the draws.
        progress: told how many rows are done.

    Raises:
        InputError: where there are no rows.
    """
    places, total, read = layout(system), count(rows), _Read()
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            trace = system.model(batch, from_posterior(1, noise_of(batch, seed)))
            read.add(trace, places.join({n: s.z for n, s in trace.sites.items()})[0])
            progress("latent", read.rows, total)
        others, start = of_others(torch.cat(read.z), seed), 0
        for batch in batches(system, rows, seed):
            swapped = fixed(places.split(others[None, start : start + batch.rows]), from_posterior())
            read.left += float(system.model(batch, swapped).log_likelihood.double().sum())
            start += batch.rows
    return read.found(seed)


class _Read:
    """Sums over batches."""

    def __init__(self) -> None:
        self.z: list[Tensor] = []
        self.rows, self.rate, self.prior, self.explained, self.left = 0, 0.0, 0.0, 0.0, 0.0
        self.marginal, self.own = torch.zeros(()), torch.zeros(())
        self.codes = torch.zeros(())

    def add(self, trace: Trace, z: Tensor) -> None:
        """Take in a walk."""
        self.z.append(z)
        self.rows += len(z)
        self.rate += float(trace.kl().double().sum())
        self.prior -= float(sum(site.prior.log_prob(site.z).double().sum() for site in trace.sites.values()))
        self.explained += float(trace.log_likelihood.double().sum())
        sites = list(trace.sites.values())
        most = max(dispatch.codebook(site.prior).size for site in sites)
        chances = torch.cat([_chances(site, most) for site in sites], dim=1).double()
        self.marginal = self.marginal + chances.sum(0).cpu()
        self.own = self.own - torch.xlogy(chances, chances).sum((0, 2)).cpu()
        codes = torch.cat([dispatch.codebook(site.prior).codes(site.z).flatten() for site in sites])
        self.codes = self.codes + torch.bincount(codes, minlength=most).double().cpu()

    def found(self, seed: int) -> CodeUse:
        """What the sums come to."""
        n, length = self.rows, len(self.marginal)
        mean = self.marginal / n
        information = -torch.xlogy(mean, mean).sum(1) - self.own / n
        prior = self.prior / (n * length)
        return CodeUse(
            shares=(self.codes / self.codes.sum()).numpy(), information=information.clamp(min=0).numpy(), rate=self.rate / n, prior=prior,
            use=(self.explained - self.left) / n, rows=n, seed=seed,
        )


def _chances(site: Site, most: int) -> Tensor:
    """q of each code at each position, `(B, P, K)`: the posterior's own where it has one, else one at its code."""
    book = dispatch.codebook(site.prior)
    chances = book.chances(dispatch.soft(site.posterior))[0].flatten(1, -2)
    return torch.nn.functional.pad(chances, (0, most - book.size))
