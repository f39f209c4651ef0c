"""DiffuseStyleGesture (Yang et al., IJCAI 2023): a diffusion model of cross-local attention over speech, the speaker's
style and the poses before.

Its network, diffusion and windows are those of `common/cross_local`. `config.py` sizes and settings; `components.py`
what is made before; `fitting.py` the training; `generation.py` a batch of speeches, with poses given by inpainting;
`published.py` and its neighbours published weights; `method.py` the class. docs/diffuse-style-gesture.md explains the
settings.
"""
