"""Pages of one file: templates, a style sheet in the colours of the figures, and pictures within the text."""

from brats3d.reporting.page.content import Cell, Column, Details, Fact, Failures, Page, PageTable, Part, Tile
from brats3d.reporting.page.embedding import Picture, place
from brats3d.reporting.page.failures import failures_as_table, failures_on_page, find_failures
from brats3d.reporting.page.rendering import render, render_report

__all__ = [
    "Cell",
    "Column",
    "Details",
    "Fact",
    "Failures",
    "Page",
    "PageTable",
    "Part",
    "Picture",
    "Tile",
    "failures_as_table",
    "failures_on_page",
    "find_failures",
    "place",
    "render",
    "render_report",
]
