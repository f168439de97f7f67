"""The command `vae`: the same verbs as the Python face, on files.

    app        the verbs and their options; imports nothing heavy, so that help answers at once
    values     options that hold structure: `--set beta.recipe=linear`, `--condition class=3`
    fitting    fit, evaluate
    using      generate, reconstruct, encode, score, interpolate, traverse, denoise
    results    where results go: the format the data came in, or a sheet of pictures
    telling    recipes, describe
    answer     what a verb gives back, as lines for a person or as JSON
"""

from vaekit.faces.cli.app import main

__all__ = ["main"]
