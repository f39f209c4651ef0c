"""EMAGE (Liu et al., CVPR 2024), the audio model: one transformer from speech and masked motion to the codes of four
part VQ-VAEs, with motion given on some frames and channels as a hint.

`config.py` sizes and routes; `audio_encoder.py` and `network.py` the network, with the names of the published weights;
`losses.py` what it is trained on; `decoding.py` codes to motion through the part codecs and the global-motion network;
`inference.py` windows over a speech of any length.
"""
