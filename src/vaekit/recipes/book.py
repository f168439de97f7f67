"""The names that a person can train and a saved system can use."""

from collections.abc import Callable
from typing import TypeVar

from vaekit.core.system import Recipe
from vaekit.recipes import (
    adversarial,
    bounds,
    classic,
    conditional,
    discrete,
    disentangling,
    flows,
    geometry,
    hierarchical,
    labelled,
    priors,
)

__all__ = ["RECIPES", "register"]

RECIPES: dict[str, Recipe] = {
    made.__name__: made
    for made in (
        classic.autoencoder, classic.vae, classic.denoising_vae, conditional.cvae, priors.vamp_vae,
        flows.flow_vae, flows.flow_prior_vae, flows.latent_diffusion,
        bounds.iwae, bounds.miwae, bounds.ciwae,
        disentangling.beta_vae, disentangling.annealed_vae, disentangling.beta_tc_vae, disentangling.factor_vae, disentangling.dip_vae,
        disentangling.dip_vae_2, disentangling.info_vae, adversarial.vae_gan, adversarial.aae, hierarchical.ladder_vae, labelled.m1,
        labelled.m2, labelled.m1_m2,
        geometry.sphere_vae, geometry.poincare_vae,
        discrete.vq_vae, discrete.fsq_vae, discrete.gumbel_vae,
    )
}

Function = TypeVar("Function", bound=Callable[..., object])


def register(recipe: Function) -> Function:
    """Decorator: put a recipe of one's own in the book, under the function's name, so that its systems can be saved.

    Raises:
        ValueError: where the name is taken by another recipe.
    """
    name = recipe.__name__
    if RECIPES.get(name, recipe) is not recipe:
        raise ValueError(f"recipe {name!r} is already in the book: give the function another name")
    RECIPES[name] = recipe  # type: ignore[assignment]
    return recipe
