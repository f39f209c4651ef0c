"""ExGes (Zhou et al., 2025): retrieved expressive poses are the keyframes of a diffusion model of gestures.

`retrieval/` the motion base and what finds poses in it. Precision Control Module: `masks.py` which parts of a training
window are given, `curriculum.py` how much of them, `fitting.py` the training of the denoiser of `common/cross_local` on
them, `keyframes.py` and `following.py` poses that a speech is to go through, `sampler.py` windows that follow
them, `generation.py` a batch of speeches; `components.py` what is made before; `config.py` every switch;
`method.py` the class. docs/exges.md explains the choices.
"""
