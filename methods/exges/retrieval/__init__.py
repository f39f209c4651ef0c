"""ExGes' retrieval (Zhou et al. 2025, sections 3.1 and 3.2): which pose of the training data goes with what is said.

`config.py` sizes and switches. Motion base: `words.py` who says what when, `segmentation.py` speech into segments,
`rows.py` their sound and motion as features, `entries.py` and `base_fitting.py` the base on the disk, `motion_base.py`
read access, `base_report.py` what it holds. Retrieval module: `encoders.py` and `matching.py` the networks, `albef.py`
the losses of Li et al. 2021 as functions, `contrast.py` the module that is trained, `fitting.py` its training,
`diagnostics.py` what it is worth. Use: `search.py` the retriever, `keyframes.py` what it returns, `truth.py` how often
it is right where the truth is known. docs/motion-retrieval.md explains the choices.
"""
