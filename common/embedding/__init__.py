"""A joint space of speech and motion: how it is trained, whether it may be trusted, and how to embed into it."""
