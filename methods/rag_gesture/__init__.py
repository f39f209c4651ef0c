"""RAG-Gesture (Mughal et al., CVPR 2025): latent diffusion over four part VAEs, steered by retrieved training gestures.

`config.py` sizes and switches; `denoiser.py` the network; `codec.py` four part VAEs as one sequence of latents;
`conditions.py` what the network is told; `database.py` and `strategies.py` retrieval; `placement.py` where a retrieved
gesture goes; `sampler.py` inversion, latent initialisation and insertion guidance; `longform.py` windows and seams;
`method.py` the class.
"""
