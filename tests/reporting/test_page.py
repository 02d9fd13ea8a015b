"""Pages: what is escaped, what is first, what is embedded, and that nothing is asked of a network."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
from pathlib import Path

import jinja2
import numpy as np
import pytest
from PIL import Image

from brats3d.metrics import Counts, LesionRow, RegionRow, metrics_of, summarise
from brats3d.metrics.empty_policy import PREDICTION_EMPTY, PREDICTION_MISSING, REFERENCE_EMPTY
from brats3d.metrics.profiles import DEFAULT_PROFILE
from brats3d.reporting.page import (
    Cell,
    Column,
    Details,
    Page,
    PageTable,
    Part,
    Tile,
    failures_on_page,
    find_failures,
    place,
    render,
    render_report,
)
from brats3d.reporting.page.embedding import inline_picture, inline_svg
from brats3d.reporting.page.lesions import count_table, wrong_table
from brats3d.reporting.page.numbers import millilitres, number, p_value, percent, score, signed
from brats3d.reporting.page.score_rules import rule_details
from brats3d.reporting.page.scores import case_table, score_table, statistics_table, tiles
from brats3d.reporting.palette import PAGE_COLOURS
from brats3d.reporting.roc import draw_roc

NASTY = '<script>alert("x")</script>'


def row(case_id: str, region: str = "ET", empty: str = "", **scores: float) -> RegionRow:
    plain = {name: 0.5 for name in metrics_of(DEFAULT_PROFILE)}
    plain |= {"lesion_tp": 1.0, "lesion_fp": 0.0, "lesion_fn": 0.0}
    return RegionRow(case_id, region, {**plain, **scores}, empty, Counts(1, 1, 1, 1))


def lesion(kind: str, volume_ml: float, case_id: str = "a") -> LesionRow:
    reference, predicted = (0.0, volume_ml) if kind == "fp" else (volume_ml, 0.0)
    return LesionRow(case_id, "ET", 1, kind, reference, predicted, 0.0, 374.0, {1.0: 0.0})


@pytest.fixture
def page() -> Page:
    table = PageTable(
        "A caption",
        (Column("Case", "text"), Column("Dice"), Column("Why", "long")),
        [[Cell(NASTY), Cell("0.5", "below"), Cell("words")], [Cell("b"), Cell("0.9"), Cell("")]],
        frozenset({0}),
        sortable=True,
    )
    parts = [
        Part("first", "First part", text=["A sentence."], facts=[("Name", NASTY)], tables=[table]),
        Part(
            "second",
            "Second part",
            details=[Details("More", terms=[("word", "its meaning")], text="a: 1")],
            parts=[Part("below", "Below")],
            commands=[("Do it:", "brats3d fit")],
        ),
    ]
    return Page(NASTY, "about", parts, [Tile("Dice", "0.9", "sure", "#D55E00")], failures_on_page([], 2))


class TestPage:
    def test_all_text_is_escaped(self, page: Page) -> None:
        assert NASTY not in render_report(page)
        assert "&lt;script&gt;" in render_report(page)

    def test_it_consists_of_itself(self, page: Page) -> None:
        html = render_report(page)
        assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", html)
        assert "http" not in re.sub(r"http-equiv|http://www.w3.org/[^\"]*", "", html)

    def test_its_one_program_is_the_one_that_may_run(self, page: Page) -> None:
        html = render_report(page)
        (program,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in html.replace("&#39;", "'")

    def test_it_says_that_it_is_not_for_clinical_use(self, page: Page) -> None:
        assert render_report(page).count("Not for clinical use") == 2

    def test_failures_come_first_and_sections_are_linked(self, page: Page) -> None:
        html = render_report(page)
        assert html.index('id="failures"') < html.index('id="first"') < html.index('id="second"')
        for name in ("failures", "first", "second"):
            assert html.count(f'href="#{name}"') == html.count(f'id="{name}"') == 1

    def test_tables_name_rows_and_columns(self, page: Page) -> None:
        html = render_report(page)
        assert html.count('<th scope="col"') == 3
        assert html.count('<th scope="row"') == 2
        assert '<tr class="bad">' in html
        assert "<caption>A caption</caption>" in html

    def test_what_a_template_shows_must_be_given(self) -> None:
        with pytest.raises(jinja2.UndefinedError):
            render("base.html", title="x", sections=[])


class TestFailures:
    def test_the_worst_come_first(self) -> None:
        rows = [
            row("fine"),
            row("lost one", lesion_fn=1.0, lesion_tp=2.0),
            row("saw things", lesion_fp=3.0),
            row("apart", dice=0.0),
            row("small", empty=PREDICTION_EMPTY, dice=0.0, volume_ref_ml=1.0),
            row("large", empty=PREDICTION_EMPTY, dice=0.0, volume_ref_ml=9.0),
            row("invented", empty=REFERENCE_EMPTY, dice=0.0),
            row("none", empty=PREDICTION_MISSING, dice=0.0),
        ]
        found = find_failures(rows, {"torn": "cannot read the file"}, {"gone": "no file"})
        assert [one.case_id for one in found] == [
            *("gone", "none", "torn", "large", "small", "apart", "invented", "lost one", "saw things"),
        ]
        assert found[3].detail == "nothing predicted of 9.00 ml"
        assert found[7].detail == "1 of 3 missed"
        shown = failures_on_page(found, 8)
        assert shown.summary.startswith("9 cases have failures")
        assert shown.table is not None
        assert shown.table.marked == frozenset(range(7))

    def test_none_is_said_to_be_none(self) -> None:
        assert find_failures([row("a")], {}) == []
        shown = failures_on_page([], 1)
        assert shown.table is None
        assert shown.summary.startswith("None. The case was scored")

    def test_a_missing_prediction_is_told_once(self) -> None:
        rows = [row("a", region, PREDICTION_MISSING, dice=0.0) for region in ("ET", "TC")]
        assert [one.what for one in find_failures(rows, {})] == ["no prediction"]

    def test_many_are_counted(self) -> None:
        found = find_failures([], {f"case {number}": "torn" for number in range(50)})
        shown = failures_on_page(found, 0)
        assert shown.table is not None
        assert len(shown.table.rows) + shown.more == 50


class TestScores:
    def test_each_metric_has_the_definition_of_the_metrics(self) -> None:
        table = score_table(summarise([row("a"), row("b", dice=0.7)]))
        known = metrics_of(DEFAULT_PROFILE)
        definitions = {cells[0].below: cells[-1].text for cells in table.rows}
        assert definitions == {name: metric.description for name, metric in known.items()}
        assert table.rows[0][1] == Cell("0.600", "0.500 to 0.700")

    def test_numbers_that_json_cannot_hold(self) -> None:
        summary = summarise([row("a", dice=math.nan, hd95_mm=math.inf)])
        kept = {**summary, "regions": {"ET": {**summary["regions"]["ET"]}}}
        kept["regions"]["ET"]["hd95_mm"] = {**kept["regions"]["ET"]["hd95_mm"], "mean": None}
        cells = {cells[0].below: cells[1].text for cells in score_table(kept).rows}
        assert (cells["dice"], cells["hd95_mm"]) == ("–", "–")  # noqa: RUF001
        assert len(statistics_table(kept).rows) == len(metrics_of(DEFAULT_PROFILE))

    def test_tiles_have_the_colours_of_the_regions(self) -> None:
        found = tiles(summarise([row("a", region) for region in ("ET", "TC", "WT")]))
        assert [tile.name for tile in found] == ["Dice ET", "Dice TC", "Dice WT"]
        assert len({tile.colour for tile in found}) == 3
        assert found[0].range == "one case"

    def test_rules_of_empty_masks_are_those_of_the_profile(self) -> None:
        details = rule_details(summarise([row("a")]))
        assert details is not None
        worth = {cells[0].text: [cell.text for cell in cells[1:]] for cells in details.tables[0].rows}
        assert worth["dice"] == ["1", "0", "0", "0"]
        assert worth["hd95_mm"][1] == "374 mm"

    def test_a_case_that_lacks_a_region(self) -> None:
        table = case_table([row("a", "ET"), row("a", "TC"), row("b", "TC")])
        assert [len(cells) for cells in table.rows] == [len(table.columns)] * 2

    def test_lesions(self) -> None:
        lesions = [
            lesion("tp", 3),
            lesion("fp", 9),
            lesion("fn", 1),
            lesion("fn", 2),
            lesion("dropped", 0.01),
        ]
        wrong = wrong_table(lesions)
        assert wrong is not None
        assert [(cells[3].text, cells[4].text) for cells in wrong.rows] == [
            *(("missed", "2.00"), ("missed", "1.00"), ("invented", "0.00"))
        ]
        assert [cell.text for cell in count_table(lesions).rows[0]] == ["ET", "1", "2", "1", "1", "0.333"]
        assert wrong_table([lesion("tp", 3)]) is None


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [(0.5, "0.500"), (-0.5, "−0.500"), (-0.0001, "0.000"), (math.inf, "∞"), (None, "–"), (math.nan, "–")],  # noqa: RUF001
    )
    def test_number(self, value: float | None, shown: str) -> None:
        assert number(value) == shown

    @pytest.mark.parametrize(
        ("volume", "shown"),
        [(0.0, "0.00"), (0.004, "< 0.01"), (0.005, "0.01"), (12.3, "12.30"), (math.nan, "–")],  # noqa: RUF001
    )
    def test_a_volume_that_is_there_is_not_written_as_none(self, volume: float, shown: str) -> None:
        assert millilitres(volume) == score("volume_ref_ml", volume) == shown

    def test_others(self) -> None:
        assert (signed(0.5), signed(-0.5), signed(0.0)) == ("+0.500", "−0.500", "0.000")  # noqa: RUF001
        assert (percent(0.256), percent(math.nan)) == ("25.6 %", "–")  # noqa: RUF001
        assert (p_value(0.0001), p_value(0.04), p_value(math.nan)) == ("< 0.001", "0.040", "–")  # noqa: RUF001


class TestPictures:
    def test_a_drawing_follows_the_colours_of_the_page(self, tmp_path: Path) -> None:
        drawing = draw_roc({"val": ([0, 1, 1], [1, 1, 0])}, {"val": (1.0, 1.0)})
        picture = place(drawing, tmp_path)
        assert picture.themed
        assert {path.name for path in tmp_path.iterdir()} == {"roc.png", "roc.svg", "roc.csv"}
        assert "currentColor" in picture.markup
        assert not re.search(r"(?:fill|stroke): #(?:000000|ffffff)", picture.markup)
        assert "<style" not in picture.markup
        assert picture.markup.count("<svg") == picture.markup.count('role="img"') == 1

    def test_names_within_drawings_do_not_meet(self) -> None:
        svg = '<svg ><g id="a"/><use xlink:href="#a" clip-path="url(#a)"/></svg>'
        found = inline_svg(svg, prefix="one two", text="x")
        assert found.count("one-two-a") == 3

    def test_a_picture_is_no_larger_than_needed(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (1000, 2400, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "PNG")
        markup = inline_picture(file.getvalue(), text=NASTY)
        kind, data = re.findall(r"data:image/(\w+);base64,([^\"]+)", markup)[0]
        assert kind == "jpeg"
        with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
            assert shown.size == (1200, 500)
        assert NASTY not in markup


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "paper", "raised", "alert-ground"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "alert"])
def test_text_can_be_read(text: str, ground: str, side: int) -> None:
    high, low = sorted((luminance(PAGE_COLOURS[name][side]) for name in (text, ground)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5
