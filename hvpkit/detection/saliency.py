"""Saliency detector: regions that differ in color from the image border.

Source: boundary prior of Wei et al. 2012; the rest is own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from hvpkit.interfaces import DetectionQuery, ObjectDetector
from hvpkit.types import Box, VisualObject

SIDE = 128  # pixels of the longer side after resizing
BORDER_WIDTH = 0.04  # fraction of the shorter side
MAX_BORDER_SAMPLES = 300  # pixels that represent the background
OBJECT_IN_BORDER = 0.08  # fraction of the border that may belong to the object
MIN_CONTRAST = 6.0  # CIE Lab units
MIN_AREA = 0.004  # fraction of the image

FloatArray = NDArray[np.float64]


class SaliencyDetector(ObjectDetector):
    """Detect regions whose colors are not those of the border; scores 0..1 grow with the contrast in CIE Lab."""

    version = "1"
    threshold = 0.2

    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Detect salient regions in each image; phrases are not used."""
        return [salient(query.image, query.size) for query in queries]


def salient(image: Image.Image, size: tuple[int, int]) -> list[VisualObject]:
    """Find the salient regions of an image, highest contrast first.

    Args:
        image: RGB image.
        size: Width and height of the image in whose pixels boxes are returned.
    """
    contrast = border_contrast(_resize(image))
    threshold = max(MIN_CONTRAST, otsu(contrast))
    labels, _ = ndimage.label(ndimage.binary_opening(np.pad(contrast > threshold, 1), iterations=1)[1:-1, 1:-1])
    height, width = contrast.shape
    objects = []
    for number, slices in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[slices] == number
        if inside.sum() >= MIN_AREA * contrast.size:
            rows, columns = slices
            left, right = (edge * size[0] / width for edge in (columns.start, columns.stop))
            top, bottom = (edge * size[1] / height for edge in (rows.start, rows.stop))
            score = float(1 - np.exp(-contrast[slices][inside].mean() / 40))
            objects.append(VisualObject(box=Box(left, top, right, bottom), score=score))
    return sorted(objects, key=lambda item: -(item.score or 0))


def border_contrast(image: Image.Image) -> FloatArray:
    """Compute the smoothed distance of each pixel from the border colors, in CIE Lab, [h, w].

    The nearest border colors are skipped (`OBJECT_IN_BORDER`), because objects may touch the border.
    """
    lab = _lab(np.asarray(image, dtype=np.float64) / 255)
    lab = ndimage.gaussian_filter(lab, (1, 1, 0))
    rim = max(1, round(BORDER_WIDTH * min(lab.shape[:2])))
    border = np.ones(lab.shape[:2], bool)
    border[rim:-rim, rim:-rim] = False
    background = lab[border]
    background = background[:: max(1, len(background) // MAX_BORDER_SAMPLES)]
    neighbor = max(1, round(OBJECT_IN_BORDER * len(background)))
    distance, _ = cKDTree(background).query(lab.reshape(-1, 3), k=[neighbor])
    smooth: FloatArray = ndimage.gaussian_filter(distance.reshape(lab.shape[:2]), 1.5)
    return smooth


def otsu(values: FloatArray) -> float:
    """Compute the threshold between two classes that maximizes the variance between them.

    Source: Otsu 1979.
    """
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    low, high = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    return float(edges[1:][np.nanargmax(np.where(np.isfinite(between), between, -1))])


def _resize(image: Image.Image) -> Image.Image:
    scale = SIDE / max(image.size)
    width, height = (max(3, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)


def _lab(rgb: FloatArray) -> FloatArray:
    """Convert sRGB [h, w, 3] in 0..1 to CIE Lab (D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920], [0.1804375, 0.0721750, 0.9503041]]
    relative = linear @ np.array(matrix) / np.array([0.95047, 1.0, 1.08883])
    root = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
