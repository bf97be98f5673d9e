"""Objects without a detector: what differs in colour from the image's border (boundary prior: Wei et al. 2012; the rest our own)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from hvpkit.interfaces import DetectionQuery, ObjectDetector
from hvpkit.types import Box, VisualObject

SIDE = 128  # pixels of the longer side while it is looked at
BORDER = 0.04  # of the shorter side
SAMPLES = 300  # border pixels that stand for the ground
RIVALS = 0.08  # share of the border that may belong to the object
FAINT = 6.0  # CIE Lab units below which nothing stands out
SMALL = 0.004  # share of the image below which a patch is a speck

Map = NDArray[np.float64]


class SaliencyDetector(ObjectDetector):
    """Boxes around patches whose colours the border does not have; scores grow with the contrast, in CIE Lab, from 0 to 1."""

    version = "1"
    threshold = 0.2

    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Look at each image by itself; phrases are not read."""
        return [salient(query.image, query.size) for query in queries]


def salient(image: Image.Image, size: tuple[int, int]) -> list[VisualObject]:
    """Find the patches of an image, in pixels of `size`, the one that stands out most first."""
    contrast = border_contrast(_small(image))
    level = max(FAINT, otsu(contrast))
    patches, _ = ndimage.label(ndimage.binary_opening(np.pad(contrast > level, 1), iterations=1)[1:-1, 1:-1])
    height, width = contrast.shape
    found = []
    for number, place in enumerate(ndimage.find_objects(patches), 1):
        inside = patches[place] == number
        if inside.sum() >= SMALL * contrast.size:
            rows, columns = place
            box = Box(
                columns.start * size[0] / width, rows.start * size[1] / height, columns.stop * size[0] / width, rows.stop * size[1] / height
            )
            found.append(VisualObject(box=box, score=float(1 - np.exp(-contrast[place][inside].mean() / 40))))
    return sorted(found, key=lambda item: -(item.score or 0))


def border_contrast(image: Image.Image) -> Map:
    """Give each pixel's distance in CIE Lab from the border's colours, smoothed: to the nearest but a few, for objects touch the border."""
    lab = _lab(np.asarray(image, dtype=np.float64) / 255)
    lab = ndimage.gaussian_filter(lab, (1, 1, 0))
    rim = max(1, round(BORDER * min(lab.shape[:2])))
    border = np.ones(lab.shape[:2], bool)
    border[rim:-rim, rim:-rim] = False
    ground = lab[border]
    ground = ground[:: max(1, len(ground) // SAMPLES)]
    rival = max(1, round(RIVALS * len(ground)))
    distance, _ = cKDTree(ground).query(lab.reshape(-1, 3), k=[rival])
    smooth: Map = ndimage.gaussian_filter(distance.reshape(lab.shape[:2]), 1.5)
    return smooth


def otsu(values: Map) -> float:
    """Give the threshold that parts values into two classes with the largest variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    low, high = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    return float(edges[1:][np.nanargmax(np.where(np.isfinite(between), between, -1))])


def _small(image: Image.Image) -> Image.Image:
    share = SIDE / max(image.size)
    width, height = (max(3, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX if share < 1 else Image.Resampling.BILINEAR)


def _lab(rgb: Map) -> Map:
    """Turn sRGB [h, w, 3] in 0..1 into CIE Lab (D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920], [0.1804375, 0.0721750, 0.9503041]])
    share = xyz / np.array([0.95047, 1.0, 1.08883])
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
