# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Aligned plain-text tables."""

from __future__ import annotations

from collections.abc import Sequence


def lay_out(
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    footer: Sequence[Sequence[str]] = (),
    *,
    left: int = 1,
) -> str:
    """Align columns, with a rule below the header and, if there is a footer, above that.

    Args:
        header: Column titles.
        body: Lines of as many cells as the header has.
        footer: Lines set apart at the end.
        left: How many columns, the first ones, are aligned to the left; the others to the right.
    """
    lines = [header, *body, *footer]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        texts.append("  ".join(cells).rstrip())
    rule = "─" * max(map(len, texts))
    texts.insert(1, rule)
    if footer:
        texts.insert(len(texts) - len(footer), rule)
    return "\n".join(texts)
