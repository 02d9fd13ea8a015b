"""From probabilities to regions and label maps."""

from brats3d.postprocessing.postprocessing import Postprocessing

__all__ = ["Postprocessing"]
