"""Words on a video."""

import numpy as np


def banner(text: str, width: int) -> np.ndarray:
    """(h, width, 3) uint8: white words on black, as large as the width allows."""
    from PIL import Image, ImageDraw, ImageFont

    height = max(24, width // 8)
    picture = Image.new("RGB", (width, height), "black")
    pen = ImageDraw.Draw(picture)
    points = height * 0.6
    while pen.textlength(text, font=ImageFont.load_default(points)) > 0.94 * width and points > 6:
        points *= 0.95
    pen.text((width / 2, height / 2), text, fill="white", font=ImageFont.load_default(points), anchor="mm")
    return np.asarray(picture)


def with_banner(frame: np.ndarray, words: np.ndarray) -> np.ndarray:
    """A copy of the frame (H, W, 3) with the banner across its lower part, where neither hands nor face are."""
    marked = frame.copy()
    bottom = len(frame) - len(frame) // 20
    marked[bottom - len(words) : bottom] = words
    return marked
