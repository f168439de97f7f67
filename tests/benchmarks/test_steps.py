"""The race of steps is fair: what is written by hand has the recipe's own loss, on the recipe's own networks, to rounding."""

import pytest
import steps
import torch
from racers.steps_by_hand import BY_HAND, Layers
from torch import nn

from vaekit.core.objective import Step
from vaekit.core.records import Records


@pytest.mark.parametrize("recipe", BY_HAND)
def test_both_sides_have_the_same_loss(recipe):
    torch.manual_seed(0)
    system = steps.of_recipe(recipe, Records(steps.images(0)))
    rows = {n: v[:64] for n, v in system.modality.store(Records(steps.images(0))).items()}
    batch, model, objective = system.modality.batch(rows), system.model, system.stages[0].objective
    asked, critic = steps._defaults(recipe), None
    if recipe == "vae_gan":
        own = objective.terms[2].critic
        asked |= {"location": own.reader.embedding.location.float(), "scale": own.reader.embedding.scale.float()}
        critic = (own.reader.layers, own.above)
    encoder, decoder = (nn.Sequential(part.network.layers, part.head) for part in (model.posterior, model.likelihood))
    # The recipe's encoder sees pixels brought to about one; by hand, they are given so.
    embedding = model.posterior.network.embedding
    book = None
    if recipe == "vq_vae":
        own = model.posterior.family.book
        book = (own.vectors.clone(), own.counts.clone())
    layers = Layers(nn.Sequential(_Embedded(embedding), encoder), decoder, critic, system.modality.rows, book)
    torch.manual_seed(1)
    loss, opponent, _, observed = Step(model.train(), objective)(batch)
    torch.manual_seed(1)
    found = BY_HAND[recipe](layers, batch.x.flatten(1), asked)
    torch.testing.assert_close(found, loss if opponent is None else loss + opponent, rtol=1e-4, atol=1e-3)
    if book is not None:
        own.after_step(next(iter(observed.values())))
        used = own.counts > 0.05 * own.counts.mean()
        # A code that is not used goes elsewhere on each side.
        torch.testing.assert_close(book[0][used], own.vectors[used], rtol=1e-4, atol=1e-4)


class _Embedded(nn.Module):
    def __init__(self, embedding: nn.Module):
        super().__init__()
        self.embedding = embedding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x.unsqueeze(0)).squeeze(0)
