"""Diffusion: schedules, samplers as functions, inversion, guidance."""
