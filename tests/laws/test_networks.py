"""Laws of every network: axes, rows that do not see each other, conditions that are heard.

A new network is tested by one line in `READERS` or `WRITERS`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.modalities import MODALITIES
from vaekit.modalities.architecture import Architecture
from vaekit.parts.networks import (
    MLP,
    BlockStyle,
    ConvolutionReader,
    ConvolutionWriter,
    Corrupted,
    Logarithm,
    OneHot,
    OwnReader,
    OwnWriter,
    Residual,
    Scaled,
    Shifted,
    VectorReader,
    VectorWriter,
    join,
    shifted,
)
from vaekit.parts.networks.activation import ACTIVATIONS
from vaekit.parts.networks.convolution import to_pixels

CONDITION, ROWS = 3, 5
PLAIN = Scaled(torch.zeros(1), torch.ones(1))


def _convolution(event: tuple[int, ...], width: int = CONDITION, gaps: bool = False, grid: bool = False, **style: Any) -> nn.Module:
    return ConvolutionReader(event, width, gaps, PLAIN, (4, 6, 8), BlockStyle(**style), 10, grid)


def _picture(event: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(event[-1], 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(7))


def _picture_back(channels: int, *sides: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2 + CONDITION, channels * sides[0] * sides[1]), nn.Unflatten(1, (channels, *sides)))


Reader = tuple[tuple[int, ...], Callable[[], nn.Module]]
READERS: dict[str, Reader] = {
    "mlp": ((6,), lambda: VectorReader((6,), CONDITION, False, PLAIN, partial(MLP, hidden=(8, 7)))),
    "gated": ((6,), lambda: VectorReader((6,), CONDITION, False, PLAIN, partial(MLP, hidden=(8, 7), gated=True))),
    "gaps": ((6,), lambda: VectorReader((6,), CONDITION, True, PLAIN, partial(MLP, hidden=(8,)))),
    "residual": ((4, 4, 2), lambda: VectorReader((4, 4, 2), CONDITION, False, PLAIN, partial(Residual, hidden=(8, 16)))),
    "codes": ((6,), lambda: VectorReader((6,), CONDITION, True, OneHot(3), partial(MLP, hidden=(8,)))),
    "convolution": ((9, 7, 2), lambda: _convolution((9, 7, 2))),
    "convolution of gaps": ((8, 8, 1), lambda: _convolution((8, 8, 1), gaps=True)),
    "flat convolution": ((1, 20, 1), lambda: _convolution((1, 20, 1))),
    "narrow convolution": ((4, 32, 1), lambda: _convolution((4, 32, 1), norm="none")),
    "bottlenecks": ((9, 7, 2), lambda: _convolution((9, 7, 2), bottleneck=0.5)),
    "grid": ((16, 12, 3), lambda: _convolution((16, 12, 3), grid=True)),
    "own for images": ((8, 6, 2), lambda: OwnReader(_picture((8, 6, 2)), (8, 6, 2), CONDITION)),
    "own for vectors": ((6,), lambda: OwnReader(nn.Linear(6, 7), (6,), CONDITION)),
    "own for flat images": ((4, 4, 1), lambda: OwnReader(nn.Linear(16, 7), (4, 4, 1), CONDITION)),
    "corrupted": ((6,), lambda: Corrupted(VectorReader((6,), CONDITION, False, PLAIN, partial(MLP, hidden=(8,))), 0.3)),
    "shifted": ((9, 7, 2), lambda: Shifted(_convolution((9, 7, 2)), 2)),
}
Writer = tuple[tuple[int, ...], Callable[[], nn.Module]]
WRITERS: dict[str, Writer] = {
    "mlp": ((), lambda: VectorWriter(2, (), CONDITION, partial(MLP, hidden=(8,)))),
    "from a grid": ((3, 4), lambda: VectorWriter(2, (3, 4), CONDITION, partial(Residual, hidden=(8, 8)))),
    "convolution": ((), lambda: ConvolutionWriter(2, (), (9, 7, 2), CONDITION, (4, 6), BlockStyle(), 10)),
    "bottlenecks": ((), lambda: ConvolutionWriter(2, (), (9, 7, 2), CONDITION, (4, 6), BlockStyle(bottleneck=0.5), 10)),
    "convolution from a grid": ((3, 2), lambda: ConvolutionWriter(2, (3, 2), (12, 7, 1), CONDITION, (4, 6), BlockStyle(norm="none"), 10)),
    "own": ((), lambda: OwnWriter(nn.Linear(2 + CONDITION, 9), 2, CONDITION, (6,))),
    "own for images": ((), lambda: OwnWriter(_picture_back(2, 4, 3), 2, CONDITION, (4, 3, 2))),
}


def made(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def evidence(event: tuple[int, ...], seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return (torch.randint(0, 3, (1, ROWS, *event), generator=g).float(), torch.rand(1, ROWS, *event, generator=g) > 0.3,
            torch.randn(1, ROWS, CONDITION, generator=g))


@pytest.mark.parametrize(("event", "make"), READERS.values(), ids=READERS)
def test_a_reader_keeps_rows_apart_and_hears_the_condition(event, make):
    reader = made(make)
    x, observed, condition = evidence(event)
    h = reader(x, observed, condition)
    assert h.shape == (1, ROWS, *reader.positions, reader.width)
    torch.testing.assert_close(reader.trunk(reader.embed(x, observed), condition), h)
    for row in range(ROWS):
        one = slice(row, row + 1)
        torch.testing.assert_close(reader(x[:, one], observed[:, one], condition[:, one]), h[:, one], rtol=1e-4, atol=1e-5)
    other = condition.clone()
    other[:, 0] += 1
    changed = (reader(x, observed, other) != h).flatten(2).any(-1)[0]
    assert changed.tolist() == [True] + [False] * (ROWS - 1)
    reader.train()
    reader(x, observed, condition).square().sum().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in reader.parameters())


@pytest.mark.parametrize(("positions", "make"), WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("particles", [1, 3])
def test_a_writer_keeps_particles_and_rows_apart(positions, make, particles):
    writer = made(make)
    z = torch.randn(particles, ROWS, *positions, 2, generator=torch.Generator().manual_seed(3))
    condition = evidence((1,))[2]
    h = writer(z, condition)
    assert h.shape == (particles, ROWS, *writer.positions, writer.width)
    for particle in range(particles):
        for row in range(ROWS):
            alone = writer(z[particle : particle + 1, row : row + 1], condition[:, row : row + 1])
            torch.testing.assert_close(alone[0, 0], h[particle, row], rtol=1e-4, atol=1e-5)
    assert not torch.equal(writer(z, condition + 1), h)


@pytest.mark.parametrize("make", [READERS["convolution"][1], READERS["mlp"][1]])
def test_a_condition_that_is_missing_is_an_error(make):
    reader = made(make)
    x, observed, _ = evidence((9, 7, 2) if isinstance(reader, ConvolutionReader) else (6,))
    with pytest.raises((TypeError, RuntimeError)):
        reader(x, observed, None)


def test_gaps_are_seen_as_gaps():
    for name in ("gaps", "codes", "convolution of gaps"):
        event, make = READERS[name]
        reader = made(make)
        x, observed, condition = evidence(event)
        filled = torch.where(observed, x, torch.zeros(()))
        other = torch.where(observed, x, torch.full((), 1.0))
        assert torch.equal(reader(filled, observed, condition), reader(other, observed, condition)), name
        assert not torch.equal(reader(filled, torch.ones_like(observed), condition), reader(filled, observed, condition)), name
        torch.testing.assert_close(reader(x, None, condition), reader(x, torch.ones_like(observed), condition))


def test_inputs_line_up():
    grid, row, one = torch.ones(1, 2, 3, 4, 5), 2 * torch.ones(6, 2, 7), 3 * torch.ones(1, 2, 1)
    joined = join(grid, None, row, one)
    assert joined.shape == (6, 2, 3, 4, 13)
    assert joined[0, 0, 0, 0].tolist() == [1.0] * 5 + [2.0] * 7 + [3.0]
    assert join(None, row) is row
    with pytest.raises(ValueError, match="nothing was given"):
        join(None, None)
    with pytest.raises(RuntimeError):
        join(torch.ones(1, 3, 4), torch.ones(1, 2, 4))


def test_a_bottleneck_of_a_quarter_does_a_tenth_of_the_work_and_sees_as_far():
    x = torch.zeros(2, 64, 9, 9)
    x[1, :, 4, 4] = 1
    work, reach = {}, {}
    for share in (1.0, 0.25):
        block = BlockStyle(norm="none", bottleneck=share).block(64, 0)
        work[share] = sum(parameter.numel() for name, parameter in block.named_parameters() if name.endswith("weight"))
        with torch.no_grad():
            zeros, seen = block(x, None)
        reach[share] = [(zeros != seen).any(0).any(axis).sum().item() for axis in (0, 1)]
    assert 0.08 < work[0.25] / work[1.0] < 0.1 and reach[0.25] == reach[1.0] == [5, 5]


def test_layers_against_their_formulas():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 6)
    plain, gated = MLP(6, (5,), activation="tanh"), MLP(6, (5,), gated=True)
    first = plain.layers[0]
    torch.testing.assert_close(plain(x), torch.tanh(x @ first.weight.T + first.bias))
    double = x @ gated.layers[0].weight.T + gated.layers[0].bias
    torch.testing.assert_close(gated(x), double[..., :5] * torch.sigmoid(double[..., 5:]))
    assert MLP(6, ()).width == 6 and torch.equal(MLP(6, ())(x), x)
    residual = Residual(6, (8, 16)).eval()
    for parameter in residual.blocks.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(residual(x), nn.functional.silu(residual.enter(x)))
    assert all(MLP(6, (5,), activation=name)(x).shape == (1, 4, 5) for name in ACTIVATIONS)


def test_embeddings_against_their_formulas():
    x = torch.tensor([[[0.0, 2.0, 1.0]]])
    torch.testing.assert_close(Scaled(torch.tensor([1.0]), torch.tensor([2.0]))(x), (x - 1) / 2)
    torch.testing.assert_close(Logarithm(Scaled(torch.zeros(1), torch.ones(1)))(x), torch.log1p(x))
    assert OneHot(3)(x).tolist() == [[[1, 0, 0, 0, 0, 1, 0, 1, 0]]]


def test_damage_is_done_while_training_and_keeps_the_mean():
    reader = made(READERS["corrupted"][1])
    x = torch.ones(1, 20_000, 6)
    assert torch.equal(reader.embed(x, None), x)
    reader.train()
    torch.manual_seed(0)
    damaged = reader.embed(x, None)
    assert float((damaged == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(damaged.mean()) == pytest.approx(1.0, abs=0.01)


def _first_layer_sees(corrupted: Corrupted, x: Tensor, observed: Tensor | None) -> Tensor:
    """What reaches the trunk of a reader that is training."""
    seen: list[Tensor] = []
    reader = corrupted.reader
    first = reader.downs[0] if isinstance(reader, ConvolutionReader) else reader.network if isinstance(reader, OwnReader) else reader.layers
    first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    corrupted.train()
    torch.manual_seed(1)
    corrupted(x, observed, torch.zeros(1, x.shape[1], CONDITION))
    return seen[0]


@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "whole rows"])
def test_a_lost_value_is_one_more_gap_where_a_reader_is_told_of_gaps(gaps):
    corrupted = made(lambda: Corrupted(VectorReader((6,), CONDITION, True, PLAIN, partial(MLP, hidden=(8,))), 0.3))
    x = torch.randn(1, 4_000, 6) + 3
    observed = torch.rand(x.shape) < 0.8 if gaps else None
    values, told = _first_layer_sees(corrupted, x, observed).chunk(2, dim=-1)
    kept = told.bool()
    assert torch.equal(told, kept.float()) and not (kept & ~(torch.ones_like(kept) if observed is None else observed)).any()
    assert torch.equal(values, torch.where(kept, x, 0.0)), "what is left is as it is in a row that is not damaged"
    assert torch.equal(torch.cat([values, told], -1), corrupted.reader.embed(x, kept))
    assert float(kept.sum() / (x.numel() if observed is None else observed.sum())) == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("gaps", [True, False])
def test_the_entries_of_a_code_are_lost_together(gaps):
    corrupted = made(lambda: Corrupted(VectorReader((6,), CONDITION, gaps, OneHot(3), partial(MLP, hidden=(8,))), 0.3))
    codes = torch.randint(0, 3, (1, 4_000, 6))
    seen = _first_layer_sees(corrupted, codes, None)
    entries, whole = seen[..., :18].unflatten(-1, (6, 3)), 1.0 if gaps else 1 / 0.7
    kept = entries.sum(-1) > 0
    right = nn.functional.one_hot(codes, 3) * kept.unsqueeze(-1) * whole
    torch.testing.assert_close(entries, right.float())
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.01)
    assert not gaps or torch.equal(seen[..., 18:], kept.float())


def test_lost_pixels_are_gaps_of_an_image():
    corrupted = made(lambda: Corrupted(_convolution((8, 8, 2), gaps=True), 0.3))
    x, observed = torch.randn(1, 50, 8, 8, 2) + 3, torch.rand(1, 50, 8, 8, 2) < 0.8
    values, told = _first_layer_sees(corrupted, x, observed).movedim(1, -1).unsqueeze(0).chunk(2, dim=-1)
    assert torch.equal(values, torch.where(told.bool(), x, 0.0)) and not (told.bool() & ~observed).any()
    assert float(told.sum() / observed.sum()) == pytest.approx(0.7, abs=0.02)


def test_an_own_encoder_sees_lost_values_as_zeros_and_the_mean_as_it_was():
    corrupted = made(lambda: Corrupted(OwnReader(nn.Linear(6, 7), (6,), CONDITION), 0.3))
    x = torch.randn(1, 4_000, 6) + 3
    seen = _first_layer_sees(corrupted, x, None).unsqueeze(0)
    torch.testing.assert_close(seen, torch.where(seen != 0, x / 0.7, 0.0))
    assert float(seen.mean()) == pytest.approx(float(x.mean()), rel=0.01)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: OwnReader(nn.Linear(5, 2), (6,), 0), "takes none of the shapes"),
        (lambda: OwnReader(nn.Flatten(0), (6,), 0), "a row for each row"),
        (lambda: OwnWriter(nn.Sequential(nn.Linear(2, 6), nn.Sigmoid()), 2, 0, (6,)), "ends in Sigmoid"),
        (lambda: OwnWriter(nn.Linear(3, 6), 2, 0, (6,)), "takes none of the shapes"),
    ],
)
def test_an_own_network_that_does_not_fit_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_the_last_rearrangement_is_a_pixel_shuffle_with_its_channels_last():
    h = torch.randn(2, 4 * 3, 5, 7)
    assert torch.equal(to_pixels(h), nn.functional.pixel_shuffle(h, 2).movedim(1, -1))


class _Plain(nn.Module):
    """What it is given is what it tells."""

    width, positions = 1, ()

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        return h

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        return x if observed is None else torch.cat([x, observed.to(x.dtype)], dim=-1)


def test_a_shifted_image_is_moved_as_a_whole_each_way_as_often_and_only_while_training():
    reader, side = Shifted(_Plain(), 1), 4
    x = torch.arange(side * side, dtype=torch.float32).reshape(1, 1, side, side, 1).expand(1, 9_000, -1, -1, -1)
    torch.manual_seed(0)
    seen = reader(x, x % 3 == 0, None)
    bordered = nn.functional.pad(x[:, :1, ..., 0], (1, 1, 1, 1), mode="replicate")[0, 0]
    ways = torch.stack([bordered[a : a + side, b : b + side] for a in range(3) for b in range(3)])
    found = (seen[0, :, None, :, :, 0] == ways).flatten(2).all(-1)
    assert torch.equal(found.sum(1), torch.ones(9_000)), "each row is one of the nine moves"
    assert float((found.float().mean(0) - 1 / 9).abs().max()) < 0.02
    assert torch.equal(seen[..., 1:], (seen[..., :1] % 3 == 0).float()), "which pixels are gaps moves with them"
    assert torch.equal(reader.eval()(x, None, None), x)


def test_what_cannot_be_shifted_is_refused():
    assert isinstance(shifted(_Plain(), 0, (3,)), _Plain)
    with pytest.raises(InputError, match="shift=2 moves images, but a row here has shape"):
        shifted(_Plain(), 2, (3,))
    with pytest.raises(InputError, match="out of sight: give a smaller one"):
        shifted(_Plain(), 4, (8, 4, 1))


def test_a_grid_drops_channels_while_training():
    torch.manual_seed(0)
    reader = MODALITIES["image"]().fit(Records(np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8)))
    network = reader.reader(grid=True, channels=(8, 8), dropout=0.5)
    x = torch.rand(1, 4, 16, 16, 1)
    assert not torch.equal(network(x, None, None), network(x, None, None))
    network.eval()
    torch.testing.assert_close(network(x, None, None), network(x, None, None), rtol=0, atol=0)


@pytest.mark.parametrize("other", [{"channels": (8, 8)}, {"network": "convolution"}, {"network": "residual"}])
def test_gates_that_a_network_does_not_have_are_refused(other):
    with pytest.raises(InputError, match=r"gated=true is of network='mlp', but network='(convolution|residual)': drop one"):
        Architecture.checked(gated=True, **other)
