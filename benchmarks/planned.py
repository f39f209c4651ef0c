"""What grids may name before it is built: a row that does is told apart from a misspelt one, and the rest of the grid
runs without it."""

METHODS: dict[str, str] = {}
"""Methods of the suite by name. One that is registered is built, whatever stands here."""

SEVERAL_SAMPLES = (
    "it compares several motions for one speech, a row of a grid makes one for each seed; score folders rep0, rep1, "
    "... with `gesturebench evaluate`"
)
"""Why MultiModality of embeddings has no place in a grid."""
