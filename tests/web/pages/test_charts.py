"""Charts are drawn on the server, match their numbers, and have a table."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from ultraviolet import clock
from ultraviolet.asgi import DESIGN
from ultraviolet.db.tables.stats import arrivals
from ultraviolet.db.tables.sync import fetch_steps, fetches, verification_steps, verifications
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.pages.charts import Series, columns, curves, seconds
from ultraviolet.web.pages.formats.addresses import STATIC


def points(page: str, chart: int = 0) -> list[list[str]]:
    """Return the points of a chart of a page, as its tooltips show them."""
    return json.loads(html.unescape(re.findall(r'data-points="([^"]*)"', page)[chart]))


def test_series_of_a_column_are_stacked() -> None:
    drawn = columns(["12:00", "12:01"], [Series("a", [1, 0]), Series("b", [3, 2])], "says")

    (low, high, other) = drawn.bars
    assert (low.series, high.series, other.series) == (0, 1, 1)
    assert high.y + high.height == pytest.approx(low.y, abs=0.2)
    assert high.height == pytest.approx(3 * low.height, abs=0.3)
    assert low.y + low.height == pytest.approx(other.y + other.height, abs=0.2)
    assert drawn.points[0] == ["12:00", "1", "3"]
    assert drawn.rows == [["12:00", "1", "3"], ["12:01", "0", "2"]]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, ["0", "2", "4"]), (5, ["0", "3", "6"]), (740, ["0", "400", "800"])],
)
def test_scale_has_round_ticks(most: float, ticks: list[str]) -> None:
    drawn = columns(["1"], [Series("a", [most])], "", write=lambda value: f"{value:,g}")
    assert [rule.label for rule in drawn.rules] == ticks


def test_axis_has_labels_at_round_times() -> None:
    minutes = [f"{at // 60:02}:{at % 60:02}" for at in range(7, 67)]
    hours = [f"{at % 24:02}:00" for at in range(17, 65)]
    labels = [
        [label for _, label in columns(places, [Series("a", [1] * len(places))], "").marks]
        for places in (minutes, hours)
    ]
    assert labels == [["00:15", "00:30", "00:45", "01:00"], ["18:00", "06:00", "18:00", "06:00"]]


def test_color_of_a_series_does_not_depend_on_the_others() -> None:
    full = Series("full", [2], 1)
    alone = columns(["1"], [full], "")
    both = columns(["1"], [Series("incremental", [3], 0), full], "")
    assert [bar.series for bar in alone.bars] == [1]
    assert [bar.series for bar in both.bars] == [0, 1]
    assert (list(alone.colors), list(both.colors)) == ([1], [0, 1])


def test_every_cause_of_drift_has_a_color() -> None:
    style, tokens = (STATIC / "style.css").read_text(), (DESIGN / "tokens.css").read_text()
    for number in range(len(CAUSES)):
        (token,) = re.findall(rf"\.s{number} {{ --series: var\((--series-\d+)\)", style)
        assert f"  {token}: light-dark(" in tokens


def test_line_has_a_gap_at_unknown_values() -> None:
    drawn = curves(["1", "2", "3", "4"], [Series("a", [1, 1, None, 1])], "", seconds)
    assert drawn.lines[0].count("M") == 2


def test_table_omits_columns_without_values() -> None:
    values = [0.0] * 60
    values[7] = 3
    assert columns([str(n) for n in range(60)], [Series("a", values)], "").rows == [["7", "3"]]


@pytest.mark.parametrize(
    ("period", "overview", "corrections"),
    [
        ("since=2026-11-24T10:00&until=2026-11-24T11:30", ("minute", 90), ("hour", 2)),
        ("since=2026-11-24T10:00&until=2026-11-24T20:00", ("hour", 10), ("hour", 10)),
        ("since=2026-11-20T10:00&until=2026-11-23T10:00", ("hour", 72), ("day", 4)),
    ],
)
def test_charts_show_the_time_range_of_the_address(
    signed_in: Any,
    integration: dict[str, Any],
    period: str,
    overview: tuple[str, int],
    corrections: tuple[str, int],
) -> None:
    for path, (unit, count) in (("/?", overview), ("/drift?integration=1&", corrections)):
        page = signed_in.send("GET", path + period).text
        assert f"per {unit}" in page
        assert len(points(page)) == count
        [starts] = {*re.findall(r'data-starts="([^"]*)"', page)}
        assert len(json.loads(html.unescape(starts))) == count
        assert 'name="since" type="datetime-local" value="2026-11-2' in page


@pytest.mark.parametrize("path", ["/?", "/drift?integration=1&"])
def test_time_range_of_charts_is_limited(
    signed_in: Any, integration: dict[str, Any], path: str
) -> None:
    answer = signed_in.send("GET", f"{path}since=2020-01-01")
    assert (answer.status_code, "Select at most" in answer.text) == (422, True)
    assert re.search(r'<div[^>]*id="own-range"[^>]*data-open', answer.text)


def test_fetches_are_charted_by_run_and_filtered(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    now = clock.utc_now()

    def fill(connection: Any) -> None:
        for number, (mode, took) in enumerate(
            [("full", 60), ("incremental", 2), ("incremental", 3)], 101
        ):
            values = {
                "id": number,
                "integration_id": 1,
                "mode": mode,
                "state": "done",
                "requested_by": "ada",
            }
            end = clock.format_rfc3339(now + timedelta(seconds=took))
            connection.execute(
                insert(fetches).values(
                    **values, started_at=clock.format_rfc3339(now), finished_at=end
                )
            )
            step = {
                "fetch_id": number,
                "resource": "parts",
                "state": "done",
                "read": 10 * number,
                "changed": 7,
            }
            connection.execute(insert(fetch_steps).values(**step, deleted=0))

    signed_in.hub.database.write_now(fill)
    page = signed_in.send("GET", "/fetches?state=done").text
    assert "Duration of syncs 101 to 103, at most 1 min." in page
    assert "Objects changed and deleted of syncs 101 to 103: 21 and 0 in total." in page
    assert points(page)[:2] == [["101", "0 ms", "1 min"], ["102", "2 s", "0 ms"]]
    filtered = signed_in.send("GET", "/fetches?state=done&mode=full").text
    assert 'id="fetch-101"' in filtered
    assert 'id="fetch-102"' not in filtered
    assert "No sync matches" in signed_in.send("GET", "/fetches?state=cancelled").text

    two_hours_ago = clock.format_rfc3339(now - timedelta(hours=2))

    def age(connection: Any) -> None:
        older = update(fetches).where(fetches.c.id == 101)
        connection.execute(older.values(started_at=two_hours_ago))

    signed_in.hub.database.write_now(age)
    for span, shown in (("hour", [102, 103]), ("day", [101, 102, 103]), ("", [101, 102, 103])):
        page = signed_in.send("GET", f"/fetches?state=done&range={span}").text
        assert [n for n in (101, 102, 103) if f'id="fetch-{n}"' in page] == shown, span
    assert '<a href="?state=done&amp;range=week">7 d</a>' in re.sub(r">\s+", ">", page)
    assert signed_in.send("GET", "/fetches?range=month").status_code == 422


def test_resources_of_a_sync_show_their_rate_and_only_unusual_states_as_badges(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    start = clock.utc_now()
    times = {
        "started_at": clock.format_rfc3339(start),
        "finished_at": clock.format_rfc3339(start + timedelta(seconds=4)),
    }

    def fill(connection: Any) -> None:
        run = {"id": 101, "integration_id": 1, "mode": "full", "state": "done"}
        connection.execute(insert(fetches).values(**run, requested_by="ada", **times))
        for resource, state, read in (("parts", "done", 1200), ("runs", "failed", 0)):
            step = {"fetch_id": 101, "resource": resource, "state": state, "read": read}
            connection.execute(insert(fetch_steps).values(**step, changed=1, deleted=0, **times))

    signed_in.hub.database.write_now(fill)
    page = signed_in.send("GET", "/fetches/101").text
    table = page[page.index("<tbody>") :]
    assert table.count('class="badge') == 1
    assert "300/s" in table
    assert "Rate</dt>" in page


@pytest.mark.parametrize(
    ("mode", "first", "folded"),
    [
        (
            "full",
            ["Parts", "Runs"],
            {"waiting": "Issues", "without changes": "Plans", "without objects": "Kits"},
        ),
        ("incremental", ["Parts", "Runs"], {"waiting": "Issues", "without changes": "Plans, Kits"}),
    ],
)
def test_resources_of_a_sync_without_changes_or_objects_are_folded(
    signed_in: Any,
    integration: dict[str, Any],
    mode: str,
    first: list[str],
    folded: dict[str, str],
) -> None:
    steps = [
        ("kits", "done", 0, 0),
        ("plans", "done", 5, 0),
        ("parts", "done", 7, 7),
        ("runs", "failed", 0, 0),
        ("issues", "waiting", 0, 0),
    ]

    def fill(connection: Any) -> None:
        run = {"id": 101, "integration_id": 1, "mode": mode, "state": "running"}
        times = {"requested_by": "ada", "started_at": clock.now_rfc3339()}
        connection.execute(insert(fetches).values(**run, **times))
        for resource, state, read, changed in steps:
            step = {"fetch_id": 101, "resource": resource, "state": state, "read": read}
            connection.execute(insert(fetch_steps).values(**step, changed=changed, deleted=0))

    signed_in.hub.database.write_now(fill)
    page = signed_in.send("GET", "/fetches/101").text

    listed, *groups = (
        page[page.index("slow resources") :]
        .partition("</section>")[0]
        .split('<details class="padded"')
    )
    names = re.compile(r"<tr id=.*?<a [^>]*>(.*?)</a>", re.DOTALL)
    assert sorted(names.findall(listed)) == first
    assert {
        re.findall(r"<summary>\d resources? (.*?)</summary>", group)[0]: ", ".join(
            sorted(names.findall(group), reverse=True)
        )
        for group in groups
    } == folded


def test_drift_is_charted_by_cause_per_hour_and_per_day(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    now = clock.utc_now()
    told = [(0, "link", 2, "heal"), (0, "late", 3, "fetch"), (24 * 5, "link", 4, "heal")]
    told += [(0, "link", 700, "event"), (0, "empty_to_populated", 41, "replay")]
    told += [(0, "", 1000, "event")]
    rows = [
        {
            "integration_id": 1,
            "hour": clock.format_rfc3339(now - timedelta(hours=ago))[:13],
            "resource": "parts",
            "cause": cause,
            "healed_by": healed_by,
            "bucket": 3,
            "count": count,
        }
        for ago, cause, count, healed_by in told
    ]

    def fill(connection: Any) -> None:
        connection.execute(insert(arrivals), rows)

    signed_in.hub.database.write_now(fill)

    hours = signed_in.send("GET", "/drift").text
    assert "Corrections per hour, by cause: 5 in total." in hours
    said = " ".join(re.sub(r"<[^>]*>", " ", hours).split())
    assert "5 corrections of 0 objects, among 1,000 changes." in said
    assert "Handled from the event alone The event contained these changes" in said
    assert re.search(r"Linked field The event contained [^.]*\. [^.]*\. 700 Resource Changes", said)
    tile = re.search(
        r"Corrections, last 24 hours</dt>\s*<dd>(\d+)", signed_in.send("GET", "/").text
    )
    assert tile
    assert tile[1] == "5"
    assert re.search(
        r'<th scope="row">\d\d:00</th>\s*<td class="number">3</td>\s*<td class="number">2</td>',
        hours,
    )
    days = signed_in.send("GET", "/drift?days=14").text
    assert "Corrections per day, by cause: 9 in total." in days
    only = signed_in.send("GET", "/drift?days=14&cause=late").text
    assert "by cause: 3 in total." in only


def test_verifications_are_charted_with_their_coverage(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    def fill(connection: Any) -> None:
        for number, compared in ((1, 200), (2, 50)):
            values = {"id": number, "integration_id": 1, "state": "done", "requested_by": "ada"}
            connection.execute(
                insert(verifications).values(
                    **values,
                    mirrored=200,
                    started_at=clock.now_rfc3339(),
                    finished_at=clock.now_rfc3339(),
                )
            )
            step = {
                "verification_id": number,
                "resource": "parts",
                "state": "done",
                "compared": compared,
            }
            connection.execute(insert(verification_steps).values(**step, total=compared))

    signed_in.hub.database.write_now(fill)
    page = signed_in.send("GET", "/verifications").text
    assert "Differences found of verification 1 to 2: 0 in total." in page
    assert [["1", "100%"], ["2", "25%"]] in [points(page, number) for number in range(2)]
