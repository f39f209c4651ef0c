"""ReMoDiffuse on speech (Zhang et al., ICCV 2023): diffusion that attends to speech and to motion retrieved for it.

`config.py` sizes and switches; `motion.py` the motion domain and `training_motion.py` the training split in it;
`conditions.py` what the network is told of a speech; `database.py` what is retrieved; `denoiser.py` with `blocks.py`,
`attention.py` and `retrieval_encoders.py` the published network, `branches.py` the same at inference, `network.py` with
ears for speech; `fitting.py` its training; `sampler.py` the mixed steps, `track.py` one speech through its windows,
`generation.py` a batch of them; `method.py` the class. docs/remodiffuse.md explains the choices.
"""
