r"""Whether samples lie where real rows do, and real rows where samples do.

With B(p, P) the ball around p that reaches its k-th neighbour in P, real rows R and samples G:

    precision = share of g in some B(r, R)      recall = share of r in some B(g, G)   (Kynkaanniemi et al. 2019, arXiv:1904.06991)
    density   = mean over g of #{r: g in B(r, R)} / k
    coverage  = share of r with some g in B(r, R)                                     (Naeem et al. 2020, arXiv:2002.09797)
"""

import numpy as np
import torch

__all__ = ["COVER", "MANIFOLD", "neighbourhoods"]

MANIFOLD, COVER = 3, 5


def neighbourhoods(real: np.ndarray, samples: np.ndarray, manifold: int = MANIFOLD, cover: int = COVER) -> dict[str, float]:
    """Precision, recall, density and coverage of samples against real rows.

    Arguments:
        real: `(N, features)`, N > k.
        samples: `(M, features)`, M > k.
        manifold: k of precision and recall.
        cover: k of density and coverage.
    """
    # In double precision: of rows far from zero, the products that distances are made of round to more than the distances.
    r, g = torch.from_numpy(real).double(), torch.from_numpy(samples).double()
    across = torch.cdist(r, g)
    # The nearest of all is the row itself, at distance 0.
    to_real = torch.cdist(r, r).kthvalue(manifold + 1, dim=1).values
    to_samples = torch.cdist(g, g).kthvalue(manifold + 1, dim=1).values
    reach = torch.cdist(r, r).kthvalue(cover + 1, dim=1).values
    return {
        "precision": float((across <= to_real.unsqueeze(1)).any(0).double().mean()),
        "recall": float((across <= to_samples.unsqueeze(0)).any(1).double().mean()),
        "density": float((across <= reach.unsqueeze(1)).double().sum(0).mean() / cover),
        "coverage": float((across <= reach.unsqueeze(1)).any(1).double().mean()),
    }
