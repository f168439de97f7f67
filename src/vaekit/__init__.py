"""Variational autoencoders for your own data: trained, honestly measured, and ready to use.

    import vaekit as vk
    model = vk.fit("digits", latent=8)
    model.report("digits.html")

Names are loaded when they are first used, so that importing the package, and the command's help, do not wait for torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "fit": "vaekit.faces.api", "modality": "vaekit.faces.api", "resume": "vaekit.faces.api", "load": "vaekit.faces.ensembles",
    "ensemble": "vaekit.faces.ensembles", "train": "vaekit.faces.api", "FittedVAE": "vaekit.faces.fitted",
    "compare": "vaekit.faces.comparing", "compete": "vaekit.faces.comparing",
    "Batch": "vaekit.core.batch", "Conditional": "vaekit.core.conditional", "Family": "vaekit.core.conditional",
    "Neural": "vaekit.core.conditional", "InputError": "vaekit.core.errors", "WorkFailed": "vaekit.core.errors",
    "Objective": "vaekit.core.objective", "Term": "vaekit.core.objective", "Stage": "vaekit.core.stage", "System": "vaekit.core.system",
    "Site": "vaekit.core.trace", "Trace": "vaekit.core.trace", "LatentModel": "vaekit.core.trace",
    "Settings": "vaekit.training.settings", "register": "vaekit.recipes.book", "RECIPES": "vaekit.recipes.book",
    "open_records": "vaekit.data",
}
_ROOMS = {
    "core": "vaekit.core", "models": "vaekit.models", "networks": "vaekit.parts.networks", "posteriors": "vaekit.parts.posteriors",
    "priors": "vaekit.parts.priors", "likelihoods": "vaekit.parts.likelihoods", "objectives": "vaekit.parts.objectives",
    "recipes": "vaekit.recipes", "modalities": "vaekit.modalities", "tasks": "vaekit.tasks", "evaluation": "vaekit.evaluation",
    "estimators": "vaekit.faces.estimators", "choose": "vaekit.core.choose", "schedule": "vaekit.core.schedule",
}

__all__ = sorted([*_PLACES, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name in _ROOMS:
        return import_module(_ROOMS[name])
    raise AttributeError(f"module 'vaekit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
