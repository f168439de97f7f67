"""The scikit-learn face keeps scikit-learn's own contract, and works where its users put it."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from vaekit.core.errors import InputError
from vaekit.estimators import VAETransformer

QUICK = {"steps": 30, "epochs": 1, "hidden": (16,)}


@parametrize_with_checks([VAETransformer(**QUICK)])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    # Without it, the check of arrays that are not numpy's is passed over.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)


@pytest.fixture(scope="module")
def wine() -> np.ndarray:
    return StandardScaler().fit_transform(load_wine().data)


@pytest.fixture(scope="module")
def fitted(wine) -> VAETransformer:
    return VAETransformer(latent=3, steps=300, random_state=0).fit(wine)


def test_it_learns(wine, fitted):
    untrained = VAETransformer(latent=3, steps=1, epochs=1, random_state=0).fit(wine)
    # A standard normal a column, which is what a model that has learnt nothing can reach: 13 columns of 1.419 nats.
    assert fitted.score(wine) > -18.4 + 1 > untrained.score(wine)
    rebuilt = fitted.inverse_transform(fitted.transform(wine))
    assert rebuilt.shape == wine.shape and np.square(rebuilt - wine).mean() < 0.6 * wine.var()


def test_scores_are_the_same_in_any_order_and_at_every_call(wine, fitted):
    scores = fitted.score_samples(wine)
    assert scores.shape == (len(wine),)
    np.testing.assert_array_equal(scores, fitted.score_samples(wine))
    np.testing.assert_allclose(scores[::-1], fitted.score_samples(wine[::-1]), rtol=1e-5)
    assert fitted.score(wine) == pytest.approx(scores.mean())


def test_rows_that_are_unlike_the_data_score_low(wine, fitted):
    assert fitted.score_samples(wine + 20).max() < fitted.score_samples(wine).min()


def test_samples_are_like_the_data_and_seeded(wine, fitted):
    sample = fitted.sample(2000)
    assert sample.shape == (2000, wine.shape[1])
    assert abs(sample.mean(0)).max() < 0.35 and 0.5 < sample.std() < 1.5
    np.testing.assert_array_equal(sample, fitted.sample(2000))
    assert not np.array_equal(sample, fitted.sample(2000, random_state=1))


def test_random_state_decides_the_weights(wine):
    one, same, other = (VAETransformer(**QUICK, random_state=seed).fit_transform(wine) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_clone_and_pickle(wine, fitted):
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.transform(wine), fitted.transform(wine))
    np.testing.assert_array_equal(restored.score_samples(wine), fitted.score_samples(wine))


def test_names_come_out_in_pandas_and_polars():
    frame = load_wine(as_frame=True).data
    model = VAETransformer(latent=3, **QUICK).fit(frame)
    assert list(model.feature_names_in_) == list(frame.columns)
    names = ["vaetransformer0", "vaetransformer1", "vaetransformer2"]
    assert list(model.get_feature_names_out()) == names
    pandas = model.set_output(transform="pandas").transform(frame)
    assert isinstance(pandas, pd.DataFrame) and list(pandas.columns) == names and pandas.index.equals(frame.index)
    polars = model.set_output(transform="polars").transform(frame)
    assert isinstance(polars, pl.DataFrame) and polars.columns == names
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[frame.columns[::-1]])


def test_a_constant_column_is_kept(wine):
    held = np.column_stack([wine, np.full(len(wine), 7.0)])
    model = VAETransformer(**QUICK).fit(held)
    assert model.inverse_transform(model.transform(held)).shape == held.shape


def test_in_a_pipeline_and_a_grid_search():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    pipeline = make_pipeline(VAETransformer(latent=8, steps=200, random_state=0), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"vaetransformer__latent": [1, 8]}, cv=2).fit(X, y)
    assert search.best_params_ == {"vaetransformer__latent": 8} and search.best_score_ > 0.6


def test_a_grid_search_by_its_own_score(wine):
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(VAETransformer(random_state=0, hidden=(32,)), {"steps": [1, 100], "epochs": [1]}, cv=folds).fit(wine)
    assert search.best_params_["steps"] == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"latent": 0}, "latent"), ({"recipe": "vea"}, "did you mean 'vae'"), ({"likelihood": "normall"}, "did you mean 'normal'"),
        ({"options": {"bta": 2.0}}, "did you mean 'beta'"), ({"rate": -1.0}, "rate"), ({"batch": 0}, "batch"),
    ],
)
def test_wrong_arguments_are_refused_when_fitted(wine, arguments, words):
    with pytest.raises(InputError, match=words):
        VAETransformer(**{**QUICK, **arguments}).fit(wine)
