"""Sheets of pictures: what stands beside what, and that a gap is a dark place in them."""

import numpy as np

from vaekit.faces.cli.results import beside


def test_originals_with_gaps_stand_over_what_was_made_of_them():
    made = np.random.default_rng(0).uniform(0.5, 1.0, (3, 2, 2))
    originals = made + 1
    originals[1, 0, 0] = np.nan
    sheet = beside(originals, made)
    assert sheet.shape == (32, 2, 2) and np.isfinite(sheet).all()
    np.testing.assert_array_equal(sheet[16:19], made)
    assert sheet[1, 0, 0] == made.min() and sheet[1, 0, 1] == originals[1, 0, 1]
