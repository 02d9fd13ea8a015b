"""From a network to the probabilities of a whole volume: windows, slices, mirror images, ensembles."""

from brats3d.inference.ensemble import EnsembleSegmenter
from brats3d.inference.segmenter import Segmenter
from brats3d.inference.slices import SliceSegmenter
from brats3d.inference.sliding_window import SlidingWindowSegmenter

__all__ = ["EnsembleSegmenter", "Segmenter", "SliceSegmenter", "SlidingWindowSegmenter"]
