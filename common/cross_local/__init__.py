"""The denoiser of DiffuseStyleGesture (Yang et al., IJCAI 2023) and what surrounds it: cross-local attention on noisy
motion, speech, style and seed poses.

`config.py` sizes; `rotary.py`, `local_attention.py` and `denoiser.py` the network, with the names of the published
weights; `fast.py` the same network prepared for many steps of one window; `diffusion.py` its noise schedule, ancestral
sampling and inpainting; `losses.py` what it is trained on; `initial.py` weights that short trainings begin with.

`pose_features.py` motion as it is denoised, `training_poses.py` that of the training split; `speech_config.py` and
`speech.py` what is heard, `styles.py` speakers as styles; `stitching.py` speech of any length through windows that
continue each other, `starts.py` what the first one continues, `track.py` one speech on its way through them;
`smoothing.py` the released filter.

Legend of all files here: B batch, T frames of a window, n seed frames, F features of a frame, A audio features, L width
of the audio latent, D width of the network, S styles, H heads, d channels of a head, w frames of a local window.
"""
