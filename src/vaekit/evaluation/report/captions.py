"""What one should see in each picture of the report, in plain words."""

__all__ = [
    "AGGREGATE", "ANNEALED", "BY_CLASS", "CODES", "COLUMNS", "CORRELATIONS", "CRITIC", "EFFECTS", "FEW", "INTERPOLATION", "ISLANDS",
    "LEVELS", "LIKELIHOOD", "MAP", "MEASURED_PRIOR", "MEASURED_SAMPLES", "NEAREST", "PLANE", "PRIOR", "PRIOR_BY_CLASS", "RATES",
    "RECONSTRUCTIONS", "SAMPLES", "TOGETHER", "TOLD", "TRAINING", "TRAVERSALS",
]

TRAINING = (
    "You should see falling curves that have levelled out, and the held-out one close to the training one; a held-out "
    "curve that rises again means that training rows are learnt by heart. Distortion is what a reconstruction lacks, rate"
    " what its latent costs. Of real numbers these are nats of scaled values: the figures below, in the data's own units,"
    " differ by a constant."
)
CRITIC = (
    "A critic learns to tell real rows from made ones while the model learns to please it. You should see neither side run away: "
    "logits within a few units of 0, and a share of right answers between a half, where nothing can be told apart, and one. A share"
    " of one that stays is a critic that the model cannot follow: give it more penalty=. A share that is far higher on training rows"
    " than on held-out ones is a critic that knows rows by heart."
)
RECONSTRUCTIONS = (
    "Held-out images above, what the model rebuilds from their latents below: the same things should be there, somewhat "
    "smoother."
)
SAMPLES = (
    "New images, the mean of p(x|z) for draws of z from the prior, beside real ones: you should need a second look to "
    "tell them apart."
)
BY_CLASS = " Each row was asked for by its class."
INTERPOLATION = (
    "From one held-out image to another along a straight line in the latent space: every step should look like an image "
    "of its own."
)
TRAVERSALS = (
    "One latent dimension moves from -3 to 3 deviations of the prior while the others stay with one held-out image; the "
    "dimension that carries most comes first. Each row should change one thing; a row that changes nothing belongs to an "
    "unused dimension."
)
MAP = "Each point is a held-out row, placed by {how}. "
TOGETHER = "Rows of one class should lie together."
ISLANDS = "Islands are groups of similar rows."
PLANE = (
    "The two latent dimensions decoded on a grid, z0 to the right and z1 upwards: one kind of image should go over into "
    "the next without a tear."
)
LEVELS = (
    "What each latent carries, given those that are decided before it. One at zero is unused: what it decides is decided "
    "by the others. Where there are pictures, the top ones of each image are kept and the rest is drawn anew: "
    "the more is kept, the more of the image should stay."
)
CODES = (
    "How often held-out rows have each code, most frequent first; the line is where all would be if they were used alike, and codes at "
    "zero say nothing. Below, what the code at each position tells of a row; the line is the most that one code can say."
)
RATES = "What each latent dimension carries, largest first. Dimensions at zero are unused: they cost nothing and say nothing."
AGGREGATE = (
    "Where all held-out rows together lie (filled) against where the model draws from (line). They should cover each "
    "other: a gap is a place that is drawn from but was never trained."
)
PRIOR = (
    "The pictures show the two dimensions that carry most, with the same lines on both sides: half of the encoded rows are inside the "
    "inner one, nine tenths inside the outer. Draws of the prior should fill them in the same way: where they are missing, rows are "
    "seldom made, and where they lie outside, rows are made of latents that none had."
)
PRIOR_BY_CLASS = " Each colour, a class that the model is told, should cover the same ground on both sides."
MEASURED_PRIOR = (
    "Whether the prior, from which new rows are drawn, lies where held-out rows do. What that costs is held between two bounds; "
    "an extra cost says how many nats a row another prior, fitted to the latents of training rows afterwards, would pay more than the "
    "model's own. Below 0 it would pay less, and so may a prior that learns."
)
COLUMNS = (
    "{which}, the most different first: held-out rows filled, rows drawn from the model as a line. The two should cover "
    "each other."
)
CORRELATIONS = (
    "Which columns rise and fall together, in held-out rows, in rows drawn from the model, and the difference, which "
    "should be pale."
)
FEW = "Rows as they came and as the model makes them, in the data's own units."
EFFECTS = (
    "How far each column goes, in its own deviations, when one latent dimension moves from -2 to 2 deviations of the "
    "prior; the dimension that carries most comes first. Columns that change together are explained by one dimension."
)
NEAREST = (
    "Of many drawn images those that lie closest to one training image and to no other, over that training image. They "
    "should be relatives, not twins: a model that draws its training images again has learnt them by heart."
)
TOLD = (
    "Of the held-out rows of each class (down), which class the model tells (across), having been shown no label of them. All would be on "
    "the diagonal."
)
LIKELIHOOD = "How probable held-out rows are under the model."
ANNEALED = (
    " The annealed figure comes closer to the truth than importance sampling where the posterior fits badly; on rows drawn from "
    "the model the truth lies between two bounds, and the gap between them says how far off either can be."
)
MEASURED_SAMPLES = (
    "How rows drawn from the model compare with held-out rows. Beside each figure stands what real rows that were set in "
    "the place of the drawn ones reach, which is the best there is to have, and what real rows whose values were shuffled reach. "
    "The Frechet and the kernel distance say how far drawn rows lie from real ones in the eyes of a network that was trained "
    "on this data: compare models of the same data by them, where the name of the extractor is the same. Of images, sharpness "
    "says whether edges are as strong as in real ones, 1 = as strong; it is that of means, since the noise of a draw would count as "
    "edges, and the spoilt rows beside it are blurred instead of shuffled. The test for "
    "repeated training rows says whether the model gives rows back that it has learnt by heart: a p below 0.001 says so."
)
