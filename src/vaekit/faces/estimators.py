r"""The scikit-learn face: a VAE as a transformer that also scores and samples.

    transform(X) = E_q[z|x]      inverse_transform(Z) = E[x|z]      score_samples(X) = bound on log p(x), nats      sample() ~ p(x)

The constructor is the configuration: arguments are stored as they come, and what is fitted ends in an underscore. The likelihood is
a normal unless told, since one that is chosen by the data could differ from fold to fold, and then their scores could not be compared.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from vaekit import tasks
from vaekit.core.records import Records
from vaekit.faces.preparing import assemble

__all__ = ["VAETransformer"]

_SEEDS = 2**31 - 1


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A variational autoencoder of numeric rows.

    Arguments:
        latent: dimensions of z.
        recipe: a name in the book of recipes.
        likelihood: of a column given z; `auto` chooses by the data.
        hidden: widths of the encoder's layers; the decoder reverses them.
        epochs: passes over the rows; at least `steps` are taken.
        steps: steps of the optimiser below which no run ends.
        batch: rows a step.
        rate: peak learning rate.
        particles: importance samples a row of `score_samples`.
        options: further arguments of the recipe or of training, by name; None = none.
        random_state: of the weights, the order of rows and every draw.

    Attributes:
        system_: the trained system.
        n_iter_: steps that were taken.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X had names that are all text.

    Source: Kingma, Welling 2013, arXiv:1312.6114.
    """

    def __init__(
        self, latent: int = 2, *, recipe: str = "vae", likelihood: Any = "normal", hidden: Any = (64,), epochs: int = 20, steps: int = 200,
        batch: int = 128, rate: float = 3e-3, particles: int = 16, options: dict[str, Any] | None = None, random_state: Any = None,
    ):
        self.latent = latent
        self.recipe = recipe
        self.likelihood = likelihood
        self.hidden = hidden
        self.epochs = epochs
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.particles = particles
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "VAETransformer":
        """Train on rows.

        Arguments:
            X: `(rows, columns)`, numbers.
            y: ignored.

        Raises:
            ValueError: where X holds gaps or infinities, fewer than two rows, or an argument is wrong.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._seed = int(check_random_state(self.random_state).randint(_SEEDS))
        an_epoch = max(len(X) // min(self.batch, len(X)), 1) if isinstance(self.batch, int) and self.batch > 0 else 1
        arguments = {
            "latent": self.latent, "likelihood": self.likelihood, "hidden": self.hidden, "batch": self.batch, "rate": self.rate,
            "epochs": max(self.epochs, -(-self.steps // an_epoch)), "seed": self._seed, "validations": 1, "precision": "32",
            "constant": "keep",
        }
        self.system_, history = assemble(Records(X), self.recipe, "vector", {**arguments, **(self.options or {})})
        self.n_iter_ = history.steps
        self._n_features_out = tasks.walk.layout(self.system_).width
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The centre of each row's posterior, `(rows, latent)`.

        Arguments:
            X: `(rows, columns)`.
        """
        X = self._checked(X)
        return tasks.encode(self.system_, self.system_.modality.store(Records(X)), self._seed).mean.astype(X.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The expected row of each latent, `(rows, columns)`.

        Arguments:
            X: `(rows, latent)`.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=[np.float64, np.float32])
        return tasks.decode(self.system_, Z).astype(Z.dtype)

    def score_samples(self, X: Any) -> np.ndarray:
        """Each row's bound on log p(x), `(rows,)`, nats; the same at every call and in any order.

        Arguments:
            X: `(rows, columns)`.
        """
        X = self._checked(X)
        return tasks.score(self.system_, self.system_.modality.store(Records(X)), self.particles, self._seed).nats

    def score(self, X: Any, y: Any = None) -> float:
        """The mean bound on log p(x), nats a row; higher is better.

        Arguments:
            X: `(rows, columns)`.
            y: ignored.
        """
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """New rows, `(n_samples, columns)`.

        Arguments:
            n_samples: how many.
            random_state: of the draws; None = that of the constructor, so that every call gives the same.
        """
        check_is_fitted(self)
        seed = self._seed if random_state is None else int(check_random_state(random_state).randint(_SEEDS))
        return tasks.generate(self.system_, n_samples, seed=seed)

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.non_deterministic = False
        return tags
