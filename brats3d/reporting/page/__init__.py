"""Pages of one file: templates, a style sheet in the colours of the figures, and pictures within the text."""

from brats3d.reporting.page.embedding import Picture, figure_picture
from brats3d.reporting.page.rendering import render

__all__ = ["Picture", "figure_picture", "render"]
