"""EMAGE (Liu et al., CVPR 2024), the audio model: one transformer from speech and masked motion to the codes of four
part VQ-VAEs, with motion given on some frames and channels as a hint.

`config.py` sizes, routes and quirks; `audio_encoder.py` and `network.py` the network, with the names of the published
weights; `losses.py` what it is trained on, `fitting.py` the training; `hints.py` motion that is given; `decoding.py`
codes to motion through the part codecs and the network of global motion; `windows.py` which windows a speech goes
through, `inference.py` how, `generation.py` a batch of speeches; `published.py` and its neighbours published weights;
`method.py` the class. docs/emage.md explains the settings.
"""
