"""Figures of trainings, cases and scores: arrays, tables and paths in; PNG, SVG and CSV out.

Knows label conventions and scores, but neither configurations nor runs.
"""

from brats3d.reporting.canvas import Drawing
from brats3d.reporting.case import LabelledCase, ReportedCase
from brats3d.reporting.confusion import count_confusion, draw_confusion
from brats3d.reporting.curves import draw_curves
from brats3d.reporting.distribution import draw_dice
from brats3d.reporting.index import INDEX, FigureEntry, files_in_index, write_index
from brats3d.reporting.overview import draw_overview
from brats3d.reporting.planes import draw_planes
from brats3d.reporting.table import Table
from brats3d.reporting.training_log import TrainingLog, read_training_log

__all__ = [
    "INDEX",
    "Drawing",
    "FigureEntry",
    "LabelledCase",
    "ReportedCase",
    "Table",
    "TrainingLog",
    "count_confusion",
    "draw_confusion",
    "draw_curves",
    "draw_dice",
    "draw_overview",
    "draw_planes",
    "files_in_index",
    "read_training_log",
    "write_index",
]
