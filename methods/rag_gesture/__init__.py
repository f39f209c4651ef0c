"""RAG-Gesture (Mughal et al., CVPR 2025): latent diffusion over four part VAEs, steered by retrieved training gestures.

`config.py` sizes and switches; `layout.py` four parts as one sequence of tokens; `denoiser.py` the network and
`branches.py` the same at inference; `conditions.py` what it is told; `retriever.py` with `strategies.py` and
`scores.py` what is found for a window, `placement.py` where it goes, `report.py` why; `inversions.py` found windows as
latents; `sampler.py` the guided steps, `steering.py` what is done between them in which mode; `track.py` one speech
through its windows, `generation.py` a batch of them; `published.py` and its neighbours published weights; `method.py`
the class. docs/rag-gesture.md explains the modes.
"""
