"""Round cones as shaded pixels: a depth buffer, and one box of pixels per cone.

Legend: C cones, H x W pixels. Coordinates in pixels: x right, y down, z towards the camera.
"""

import numpy as np

LIGHT = np.array([-0.4, -0.55, 0.735], np.float32)
"""Where light comes from: from the upper left, in front of the body."""
AMBIENT, DIFFUSE = 0.42, 0.62
PAPER, FLOOR = (243, 243, 240), (226, 226, 221)
_FAR = np.float32(-1e9)


def background(size: tuple[int, int], floor_y: float) -> np.ndarray:
    """(H, W, 3) float32: a wall, and a floor that begins a little above the lowest foot."""
    width, height = size
    empty = np.empty((height, width, 3), np.float32)
    empty[:] = PAPER
    empty[int(np.clip(floor_y, 0, height)) :] = FLOOR
    return empty


def draw_cones(ends_C23: np.ndarray, radii_C2: np.ndarray, colours_C3: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: cones with ends in pixels on the picture `empty`; the nearest surface is seen."""
    picture = empty.copy()
    depth = np.full(empty.shape[:2], _FAR, np.float32)
    ends_C23, radii_C2, colours_C3 = (np.asarray(a, np.float32) for a in (ends_C23, radii_C2, colours_C3))
    for box, ends, radii, colour in zip(_boxes(ends_C23, radii_C2, depth.shape), ends_C23, radii_C2, colours_C3):
        if box[0].start < box[0].stop and box[1].start < box[1].stop:
            near = int(ends[1, 2] > ends[0, 2])  # seen end on, a cone is the ball at its near end
            order = slice(None, None, -1 if near else 1)
            _draw_cone(box, ends[order], radii[order], colour, picture[box], depth[box])
    return np.clip(picture, 0, 255).astype(np.uint8)


def _boxes(ends_C23: np.ndarray, radii_C2: np.ndarray, shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns that each cone may touch, inside the picture."""
    low = np.floor((ends_C23[..., :2] - radii_C2[..., None]).min(1) - 1)
    high = np.ceil((ends_C23[..., :2] + radii_C2[..., None]).max(1) + 2)
    low, high = (np.clip(edge, 0, shape[::-1]).astype(int).tolist() for edge in (low, high))
    return [(slice(y0, y1), slice(x0, x1)) for (x0, y0), (x1, y1) in zip(low, high)]


def _draw_cone(
    box: tuple[slice, slice], ends: np.ndarray, radii: np.ndarray, colour: np.ndarray, picture: np.ndarray,
    depth: np.ndarray,
) -> None:  # fmt: skip
    """Into the box of a picture and of its depths.

    With a the first end, u = b - a in the picture and h = clip(<p - a, u> / |u|^2, 0, 1), the point of the axis next to
    a pixel p is a + h u, the radius there r = r_a + h (r_b - r_a). With d the distance from it, the surface has the
    normal ((p - a - h u) / r, sqrt(1 - d^2 / r^2)) and lies r times its last entry before the axis.
    """
    ys, xs = box
    x = np.arange(xs.start, xs.stop, dtype=np.float32)[None] - ends[0, 0]
    y = np.arange(ys.start, ys.stop, dtype=np.float32)[:, None] - ends[0, 1]
    ux, uy, uz = ends[1] - ends[0]
    h = np.clip((x * ux + y * uy) / max(ux * ux + uy * uy, np.float32(1e-6)), 0, 1)
    r = radii[0] + h * (radii[1] - radii[0])
    nx, ny = (x - h * ux) / r, (y - h * uy) / r
    squared = nx * nx + ny * ny
    nz = np.sqrt(np.maximum(0, 1 - squared))
    z = ends[0, 2] + h * uz + r * nz
    coverage = np.clip((1 - np.sqrt(squared)) * r + 0.5, 0, 1)
    seen = np.where(z > depth, coverage, np.float32(0))
    light = AMBIENT + DIFFUSE * np.maximum(0, LIGHT[0] * nx + LIGHT[1] * ny + LIGHT[2] * nz)
    picture += seen[..., None] * (light[..., None] * colour - picture)
    np.copyto(depth, z, where=seen > 0.5)
