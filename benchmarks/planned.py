"""What grids may name before it is built: a row that does is told apart from a misspelt one, and the rest of the grid
runs without it."""

METHODS = {
    "exges": "ExGes (retrieved keyframes and precise control)",
    "remodiffuse": "ReMoDiffuse on speech (hybrid retrieval and condition mixture)",
    "diffuse_style_gesture": "DiffuseStyleGesture (diffusion with windowed attention)",
}
"""Methods of the suite by name. One that is registered is built, whatever stands here."""

EMBEDDING_METRICS = "it reads embeddings of speech and motion, and no step trains their encoder"
"""What the metrics on embeddings wait for."""
