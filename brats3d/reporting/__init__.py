"""Figures of trainings, cases and scores: arrays, tables and paths in; PNG, SVG and CSV out.

Knows label conventions and scores, but neither configurations nor runs.
"""

from brats3d.reporting.canvas import Drawing
from brats3d.reporting.case import LabelledCase, ReportedCase
from brats3d.reporting.case_order import RankedCase, rank_cases, worst_median_best
from brats3d.reporting.confusion import count_confusion, draw_confusion
from brats3d.reporting.curves import draw_curves
from brats3d.reporting.distribution import draw_dice, draw_distributions
from brats3d.reporting.index import INDEX, FigureEntry, files_in_index, write_index
from brats3d.reporting.lesion_detection import draw_lesions, lesion_table, missed_and_invented
from brats3d.reporting.overview import draw_overview
from brats3d.reporting.paired import draw_paired
from brats3d.reporting.planes import draw_planes
from brats3d.reporting.reliability import draw_calibration
from brats3d.reporting.standings import draw_ranks, draw_wins
from brats3d.reporting.table import Table
from brats3d.reporting.training_log import TrainingLog, read_training_log
from brats3d.reporting.volume_agreement import draw_volumes

__all__ = [
    "INDEX",
    "Drawing",
    "FigureEntry",
    "LabelledCase",
    "RankedCase",
    "ReportedCase",
    "Table",
    "TrainingLog",
    "count_confusion",
    "draw_calibration",
    "draw_confusion",
    "draw_curves",
    "draw_dice",
    "draw_distributions",
    "draw_lesions",
    "draw_overview",
    "draw_paired",
    "draw_planes",
    "draw_ranks",
    "draw_volumes",
    "draw_wins",
    "files_in_index",
    "lesion_table",
    "missed_and_invented",
    "rank_cases",
    "read_training_log",
    "worst_median_best",
    "write_index",
]
