"""A condition mixture for RAG-Gesture: its network is told of the speech or not, its state of what was retrieved or
not.

| branch | the network is told | its state |
|--------|---------------------|-----------|
| both   | text, audio, speaker | guided towards what was retrieved |
| text   | text, audio, speaker | left alone |
| retr   | nothing | guided towards what was retrieved |
| none   | nothing | left alone |

A DDIM step is linear in the state and in the predicted x0: the weighted sum of the branches' steps is one step from the
weighted sum of their states. Without a mixture all weight lies on `both` and `retr`.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

Sides = Callable[[Tensor, float, float], Tensor]
"""(state, w, u) -> w times the prediction that is told of the speech, plus u times the one that is not."""


def two_branches(weights_4: Sequence[float]) -> tuple[float, float]:
    """Weights of the predictions with and without speech where both are given the same state."""
    both, text, retr, none = (float(w) for w in weights_4)
    return both + text, retr + none


def mixed_step(
    weights_4: Sequence[float], guided: Tensor, alone: Tensor | None, predict: Sides
) -> tuple[Tensor, Tensor]:
    """The state that a DDIM step starts from, and its x0; `alone` None: nothing was retrieved, or the states do not
    differ.
    """
    if alone is None:
        return guided, predict(guided, *two_branches(weights_4))
    both, text, retr, none = (float(w) for w in weights_4)
    if text == none == 0:
        return guided, predict(guided, both, retr)
    if both == retr == 0:
        return alone, predict(alone, text, none)
    x0 = predict(guided, both, retr) + predict(alone, text, none)
    return alone + (both + retr) * (guided - alone), x0
