"""How a system is trained: checked once, stored with the run, the same for every recipe."""

from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from vaekit.core.declared import Count, NonNegative, Positive, Range, Rest, Share, conform
from vaekit.core.errors import InputError, nearest

__all__ = ["Settings"]

# What a run gets that was told neither: enough passes over much data, and enough steps over little.
_EPOCHS, _STEPS = 50, 6_000


class Settings(BaseModel):
    """The training loop's settings.

    Arguments:
        epochs: passes over the training rows; None = until `minutes`, or where that is None too 50 passes, but at least 6,000 steps.
        minutes: wall-clock budget; whichever of the two comes first ends the run.
        batch: rows a step and device.
        rate: peak learning rate.
        warm_up: fraction of each stage over which the rate rises from 0.
        final: the rate's end in each stage, as a fraction of its peak, at the end of half a cosine.
        momentum: share of the gradients' running mean that each step keeps, Adam's beta_1; 0.5 is usual where a critic takes part
            (Radford, Metz, Chintala 2015, arXiv:1511.06434).
        weight_decay: of AdamW (Loshchilov, Hutter 2017, arXiv:1711.05101).
        clip: largest norm of a step's gradient; 0 = none.
        average: decay of the exponential moving average of the weights, which is what the run keeps; 0 = the last weights.
        patience: validations without a better value of what the stage watches before the stage ends; 0 = never.
        encoder_steps: at most so many steps of the encoder alone for each of the rest, until what latents tell of rows stops rising,
            against a collapse (He et al. 2019, arXiv:1901.05534, who take 100); 0 = both step together.
        validations: how often the bound is measured on held-out rows, over each stage; less often where measuring would take more than
            a tenth of `minutes`.
        precision: `auto` = bf16 where the processor or GPU computes it fast; `32` = float32 throughout; `bf16`.
        compile: `auto` = only when the run is long enough to pay for it; True; False.
        device: `auto`, `cpu`, `cuda`, `mps`.
        devices: how many of them.
        seed: of the weights, the order of rows and every draw.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Count | None = None
    minutes: Positive | None = None
    batch: Count = 128
    rate: Positive = 1e-3
    warm_up: Share = 0.02
    final: Share = 0.01
    momentum: Rest = 0.9
    weight_decay: NonNegative = 0.0
    clip: NonNegative = 200.0
    average: Rest = 0.999
    patience: Annotated[int, Range(0)] = 0
    encoder_steps: Annotated[int, Range(0)] = 0
    validations: Count = 20
    precision: Literal["auto", "32", "bf16"] = "auto"
    compile: Literal["auto"] | bool = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    # A classifier that measures takes no larger one.
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0

    @field_validator("*", mode="before")
    @classmethod
    def _conforming(cls, value: Any, info: ValidationInfo) -> Any:
        """The value, where it is what its setting is declared to be."""
        name = str(info.field_name)
        declared = get_type_hints(cls, include_extras=True)[name]
        # A word that reads as a number, as `precision=32` on a command line does.
        word = str(value) if isinstance(value, int) and str(value) in get_args(declared) else value
        conform(name, word, declared)
        return word

    def steps(self, an_epoch: int) -> int | None:
        """Steps after which the run ends; None = only the clock ends it.

        Arguments:
            an_epoch: steps of one pass over the training rows.
        """
        if self.epochs is not None:
            return self.epochs * an_epoch
        return None if self.minutes is not None else max(_EPOCHS * an_epoch, _STEPS)

    @classmethod
    def checked(cls, **given: Any) -> "Settings":
        """Settings from a person's arguments.

        Raises:
            InputError: where a name is unknown (suggests the nearest) or a value out of range.
        """
        for name in given:
            if name not in cls.model_fields:
                raise InputError(f"training setting {name!r} is unknown: {nearest(name, cls.model_fields)}")
        try:
            return cls(**given)
        except ValidationError as error:
            raise InputError(str(error.errors()[0]["ctx"]["error"])) from error
