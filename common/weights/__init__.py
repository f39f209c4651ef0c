"""Foreign weights: read without running anything they bring, held against what a network expects, and kept as our own
files with a passport.

`pickles.py`, `settings.py` what published folders hold; `strict.py` names and shapes; `passport.py` where imported
weights come from; `artifact.py` their folder, and how runs take them; `hub.py` downloads.
"""
