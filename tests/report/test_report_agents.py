"""The section on agents: both clocks, censoring, hacking, films and maps; what is missing or hostile does no harm."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
import sample
import sample_agents
from markupsafe import escape

from bakeoff.report import agents_seen, training
from bakeoff.report.agents import agents, memo_lines
from bakeoff.report.agents_figures import curves, each_seed, profile, time_to_threshold
from bakeoff.report.agents_given import looks_of, names, worlds
from bakeoff.report.agents_hacking import Cells, beside, cells, repairs, sentences
from bakeoff.report.charts import courses, maps
from bakeoff.report.figure import STRANGER
from bakeoff.report.memo import memo
from bakeoff.report.page import LARGEST, as_json, page, picture_bytes, sections

HOSTILE = "<script>window.owned=1</script>\"'><img src=x onerror=window.owned=2>"


def section(html: str) -> str:
    found = re.search(r'<section id="agents".*?</section>', html, re.S)
    assert found
    return found[0]


@pytest.fixture(scope="module")
def made():
    return sample_agents.document()


@pytest.fixture(scope="module")
def hacked():
    return sample_agents.hacked()


def changed(document: Any, **views: Any) -> Any:
    return document.model_copy(update={"views": {**document.views, **views}})


def test_only_a_study_of_agents_has_the_section(made):
    assert "agents" not in dict(sections(sample.document())) and 'id="agents"' not in page(sample.document())
    assert (
        agents(sample.document()) is None
        and memo_lines(sample.document()) == []
        and "## The agents" not in memo(sample.document())
    )
    assert dict(sections(made))["agents"] == "Agents" and 'href="#agents"' in page(made)


def test_the_table_has_both_clocks_reliability_and_who_failed(made):
    found = agents(made)
    (world,) = found.worlds
    assert world.table.head[1:] == (
        "Seeds that solve it", "Return (IQM)", "Steps to solve", "CPU time to solve", "Steps per CPU second", "Stays solved", "Best → last evaluation",
    )  # fmt: skip
    rows = {row[0].text: row[1:] for row in world.table.rows}
    assert list(rows) == names(made) and len(rows) == 7
    held = sample_agents.control()["approaches"]["cem"]["worlds"]["CartPole-v1"]
    solved, steps, clock = held["solved"], held["time"]["steps"]["median"]["mid"], held["time"]["cpu_seconds"]["median"]["mid"]
    assert rows["cem"][0].text.startswith(f"{solved['k']} of 10 (") and rows["cem"][0].sort == solved["mid"]
    assert rows["cem"][2].text.startswith(f"{steps:,.0f} (") and rows["cem"][3].text.startswith(f"{clock * 1000:.0f} ms (")
    assert rows["random"][0].text == "0 of 10 (0 to 31%)" and rows["scripted"][0].text == "10 of 10 (69 to 100%)"
    assert rows["random"][2].text == "does not learn" and rows["random"][2].sort is None
    assert next(row[0] for row in world.table.rows if row[0].text == "dqn").note == "failed: seed 7"
    late = sample_agents.control()["approaches"]["q-table"]["worlds"]["CartPole-v1"]["time"]["steps"]
    assert (
        late["reached"] < 10
        and rows["q-table"][2].note == f"{late['reached']} of 10 got there"
        and "beyond" in rows["q-table"][2].text
    )


def test_a_time_that_half_the_seeds_never_reach_is_not_made_up(made):
    given = sample_agents.control()
    time = given["approaches"]["q-table"]["worlds"]["CartPole-v1"]["time"]
    for clock in time.values():
        clock["median"] = {"mid": None, "low": None, "high": None}
        clock["reached"] = 3
    found = agents(changed(made, control=given))
    cell = next(row for row in found.worlds[0].table.rows if row[0].text == "q-table")[3]
    assert cell.text == "3 of 10 got there" and cell.sort is None
    assert next(row for row in found.worlds[0].time.table.rows if row[0].text == "q-table")[2].text == "not reached by half"


def paths(svg: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="[^"]*\b{kind}\b[^"]*" d="([^"]*)"', svg)


def test_curves_are_drawn_on_both_clocks_with_bands_and_a_log_axis_where_ranges_differ_tenfold(made):
    world = worlds(made)[0]
    found = curves(made, world, 0)
    assert len(paths(found.wide, "trace")) == 2 * 7 and len(paths(found.wide, "cloud")) == 2 * 5
    assert "CPU seconds of training, log scale" in found.wide and ">Steps of the environment<" in found.wide
    assert "solved from 475" in found.wide and "scripted" in found.caption
    assert [row[0].text for row in found.table.rows] == [name for name in names(made) if name in sample_agents.LEARN]
    seeds = each_seed(made, world, 0)
    assert (
        all(line.count("M") == sample_agents.SEEDS for line in paths(seeds.wide, "faint"))
        and len(paths(seeds.wide, "faint")) == 10
    )
    assert len(seeds.table.rows) == 5 * sample_agents.SEEDS


def test_a_seed_that_never_got_there_is_a_tick_at_its_end_and_the_curve_a_staircase(made):
    found = time_to_threshold(made, worlds(made)[0], 0)
    held = sample_agents.control()["approaches"]
    cut = sum(
        not one["reached"]
        for name in sample_agents.LEARN
        for one in held[name]["worlds"]["CartPole-v1"]["time"]["steps"]["times"]
    )
    assert cut > 0 and len(paths(found.wide, "stop")) == 2 * cut
    assert all(set(re.findall("[A-Z]", line)) <= {"M", "H", "V"} for line in paths(found.wide, "trace"))
    assert time_to_threshold(made, worlds(made)[0]._replace(threshold=None), 0) is None


def test_log_and_linear_clocks_put_points_where_they_belong():
    look = STRANGER
    chart = courses.Chart("Return", str, floor=0.0)
    line = ((0.0, 0.0), (1.0, 50.0), (10.0, 75.0), (100.0, 100.0))

    def xs(log: bool) -> list[float]:
        panel = courses.Panel(courses.Axis("Steps", str, log), (courses.Trace("a", look, line),))
        (path,) = paths(courses.overlaid("x", [panel], chart, width=860, title="t", says="s"), "trace")
        return [float(x) for x, _ in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]

    even = xs(True)
    assert even[2] - even[1] == pytest.approx(even[3] - even[2], abs=0.3) and even[0] < even[1]
    straight = xs(False)
    assert straight[3] - straight[0] == pytest.approx(10 * (straight[2] - straight[0]), rel=0.01)


def test_the_profile_and_the_pairs_say_what_they_rest_on(made):
    found = agents(made)
    assert found.profile is not None and len(paths(profile(made).wide, "trace")) == 7
    assert len(found.pairs.rows) == 21 and found.pairs_note.startswith("14 of 21 pairs are told apart")
    assert "too few seeds" in found.pairs_note
    first = found.pairs.rows[0]
    assert (
        first[1].text == "80% (70 to 90%)"
        and first[2].text == "30 (10 to 50)"
        and first[0].text == "ppo against a2c"
        and first[4].text == "a2c is better"
    )


def test_films_are_on_the_page_once_and_not_in_its_json(made):
    html, films = page(made), re.findall(r"data:video/mp4;base64,[A-Za-z0-9+/=]+", page(made))
    given = [
        one["film"] for name in ("ppo", "cem") for scene in made.views["explained"][name]["control"] for one in scene["shows"]
    ]
    assert sorted(films) == sorted(given) and all(given)
    assert all(b"ftyp" in base64.b64decode(film.partition(",")[2])[:16] for film in films)
    assert "media-src data:" in html and html.count("<video") == len(films)
    assert "autoplay" not in html and html.count('preload="metadata"') == len(films) == html.count("<video controls muted")
    assert (
        "base64" not in as_json(made)
        and json.loads(str(as_json(made)))["views"]["explained"]["ppo"]["control"][0]["shows"][0]["film"] == "(on the page)"
    )


def test_the_loop_the_parts_and_the_maps_are_named_with_their_numbers(made):
    shown = section(page(made))
    loop = made.views["explained"]["ppo"]["control"][0]["loop"]
    for text in (
        "One turn of the loop",
        "pole angular velocity (rad/s)",
        "push left",
        "It expects",
        "actor (policy) head",
        "critic body",
        "4,480 parameters",
    ):
        assert text in shown, text
    assert f"{loop['probabilities'][0][1] * 100:.1f}%" in shown
    assert "What it expects to come" in shown and "prefers none of them" in shown and "its render raises OSError" in shown
    assert "parts" not in dict(
        p for r, own, chosen in __import__("bakeoff.report.tables", fromlist=["settings"]).settings(made) for p in chosen
    )


def test_the_rows_of_agents_leave_the_section_on_training_out(made):
    assert made.views["training"]["ppo"]["0"][0]["step"] == 0
    assert training.training(made) is None and "training" not in dict(sections(made))


def test_the_hack_index_before_and_after_each_repair(hacked):
    found = agents(hacked).hacking
    text = " ".join(found.says)
    assert (
        "of 30 agents that reach 95% of the best visible return, 27 miss what was meant: a hack index of 90%, 73 to 98%" in text
    )
    assert "shaping, 0 of 30 (0%, 0 to 12%)" in text and "Not shown to help: kl, 21 of 27 (78%, 58 to 91%)" in text
    assert "clipped leaves no agent near the best visible return" in text
    assert [row[0].text for row in found.index.table.rows] == list(sample_agents.REPAIRS)
    assert found.index.wide.count(">apart<") == 2 and "no such agent" in found.index.wide
    assert {"0%", "100%"} <= set(re.findall(r">([\d]+%)<", found.index.wide))
    assert found.worlds is not None and found.budget is not None and len(paths(found.budget.wide, "cloud")) == 1
    assert len({looks_of(hacked)[name] for name in sample_agents.REPAIRS}) == 5, "each repair has looks of its own"
    written = memo(hacked).split("## The agents")[1].split("\n## ")[0]
    assert "27 miss what was meant" in written and "shaping, 0 of 30" in written


def test_touching_intervals_are_not_called_apart():
    def cell(name: str, low: float, high: float) -> Cells:
        held = {"mid": (low + high) / 2, "low": low, "high": high, "n": 10, "k": 5}
        return cells({"agents": 10, "capable": 10, "hacked": 5, "index": held, "share": held}, name)

    base = cell("a", 0.5, 0.9)
    known = repairs([base, cell("a.near", 0.1, 0.5), cell("a.far", 0.1, 0.499), cell("a.worse", 0.95, 1.0), cell("ab", 0.0, 0.1)])
    assert [(r.repaired.name, r.apart) for r in known] == [("a.near", False), ("a.far", True), ("a.worse", False)]
    assert beside(["b", "a.x", "a", "b.y"]) == ["b", "b.y", "a", "a.x"]
    assert sentences(sample.document(), [base])[0].startswith("a: of 10 agents")


def test_the_memo_says_who_solves_it_on_both_clocks(made):
    lines = memo_lines(made)
    assert lines[0].startswith("Solved: scripted at 10 of 10 seeds; cem at") and "of processor time (medians)" in lines[0]
    assert lines[1] == "At no seed: random." and len(lines) <= 4
    written = memo(made).split("## The agents")[1].split("\n## ")[0]
    assert "cem at" in written and "steps and" in written


def cut(value: Any, place: list[int], at: int, put: Any) -> Any:
    """A copy of a document's JSON with its `at`-th value replaced."""
    place[0] += 1
    if place[0] == at:
        return put
    if isinstance(value, dict):
        return {key: cut(each, place, at, put) for key, each in value.items()}
    return [cut(each, place, at, put) for each in value] if isinstance(value, list) else value


def size(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(size(each) for each in inside)


@pytest.mark.parametrize("put", [None, "x", [], {}, float("nan"), -1, [None, {"a": 1}]])
def test_whatever_is_missing_or_of_another_kind_the_page_is_made(made, hacked, put):
    slim = sample_agents.control()
    world = slim["approaches"]["cem"]["worlds"]["CartPole-v1"]
    for clock in ("steps", "cpu_seconds"):
        for key in ("at", "iqm", "low", "high", "seeds"):
            world["curves"][clock][key] = world["curves"][clock][key][:3]
    slim["approaches"] = {"cem": slim["approaches"]["cem"]}
    slim["pairs"], slim["profile"]["taus"] = slim["pairs"][:1], slim["profile"]["taus"][:6]
    slim["hacking"] = {"approaches": dict(list(hacked.views["control"]["hacking"]["approaches"].items())[:2])}
    shown = json.loads(json.dumps(made.views["explained"]["ppo"]))
    for key in ("policy", "value"):
        shown["control"][0]["map"][key] = [[0, 1], [1, 1]]
    shown["control"][0]["map"]["x"]["n"] = shown["control"][0]["map"]["y"]["n"] = 2
    whole = {"control": slim, "explained": {"ppo": shown}, "training": {"ppo": {"0": made.views["training"]["ppo"]["0"]}}}
    total = size(whole)
    assert total > 700
    for at in range(2, total + 1, 9 if put in (None, "x") else 31):
        views = cut(whole, [0], at, put)
        document = made.model_copy(update={"views": views})
        agents(document)
        agents_seen.bounded(views)
        memo_lines(document)


def test_hostile_words_are_text_everywhere(made, hacked):
    given = json.loads(
        json.dumps(made.views).replace("CartPole-v1", json.dumps(HOSTILE)[1:-1]).replace("push left", json.dumps(HOSTILE)[1:-1])
    )
    given["control"]["says"] = [HOSTILE]
    scene = given["explained"]["ppo"]["control"][0]
    scene["shows"][0] |= {
        "which": HOSTILE,
        "why": HOSTILE,
        "film": f'data:video/mp4;base64,AA"><script>{HOSTILE}',
        "poster": "data:image/svg+xml;base64,AAAA",
        "strip": ["javascript:alert(1)"],
    }
    scene["loop"]["names"] = [HOSTILE] * 4
    scene["map"]["x"]["name"] = HOSTILE
    shown = section(page(made.model_copy(update={"views": given})))
    assert str(escape("<script>window.owned")) in shown
    for bad in ("<script", "<img src=x", "javascript:", "svg+xml", 'AA">'):
        assert bad not in shown, bad
    assert "<script>window" not in memo(made.model_copy(update={"views": given}))


def test_a_page_is_bounded_whatever_films_there_are(made):
    film = "data:video/mp4;base64," + "A" * 400_000

    def show(answers: bool, **more: Any) -> dict[str, Any]:
        return {"which": "last", "answers": answers, "film": film, "poster": "", "strip": [], **more}

    explained = {f"{k}": {"control": [{"world": "w", "shows": [show(False), show(True)]}]} for k in range(6)}
    views = {**made.views, "explained": explained}
    kept = agents_seen.bounded(views)
    assert agents_seen.media_bytes(kept) <= agents_seen.MOST_FILMS < agents_seen.media_bytes(views)
    shown = [(one["answers"], bool(one["film"])) for view in kept["explained"].values() for one in view["control"][0]["shows"]]
    assert all(there for answers, there in shown if answers) and sum(there for _, there in shown) == 7
    assert views["explained"] is explained and explained["0"]["control"][0]["shows"][0]["film"], "nothing was changed in place"
    assert agents_seen.bounded(made.views) is made.views
    huge = "data:video/mp4;base64," + "A" * (agents_seen.MOST_FILMS + 4)
    one = agents_seen.bounded({"explained": {"a": {"control": [{"shows": [{"film": huge}]}]}}})
    assert one["explained"]["a"]["control"][0]["shows"][0]["film"] == ""


def test_a_page_of_a_large_study_is_under_its_limit_and_keeps_the_section(made):
    given = sample_agents.control()
    for name in sample_agents.LEARN:
        for clock in given["approaches"][name]["worlds"]["CartPole-v1"]["curves"].values():
            for seed in clock["seeds"]:
                seed["points"] = [[seed["points"][-1][0] * k / 39 + 0.123456789, 400.123456789 + k / 7] for k in range(40)]
    rows = [
        {**row, "step": k, "cpu_seconds": 0.123456789 * k, "low": 1.123456789, "high": 3.123456789}
        for k in range(25)
        for row in made.views["training"]["ppo"]["0"][:1]
    ]
    trained = {name: {str(seed): rows for seed in range(10)} for name in (*sample_agents.LEARN, "random", "scripted")}
    shown = dict.fromkeys((*sample_agents.LEARN, "random", "scripted"), made.views["explained"]["ppo"])
    document = changed(made, control=given, training=trained, explained=shown)
    html = page(document)
    assert len(html) - picture_bytes(document) - agents_seen.media_bytes(document.views) < LARGEST
    assert "What they do" in html and html.count("<video") == 7 * sample_agents.SHOWN


def test_a_larger_page_of_agents_keeps_its_section_up_to_a_limit_of_its_own(made, monkeypatch):
    monkeypatch.setattr("bakeoff.report.page.LARGEST", 100_000)
    assert "What they do" in page(made)
    monkeypatch.setattr("bakeoff.report.page.LARGEST_OF_AGENTS", 100_000)
    assert "What they do" not in page(made)


def test_maps_merge_equal_cells_and_cover_every_one_once():
    rows = [[0, 0, 1], [0, 0, 1], [1, 1, 1]]
    field = maps.Field("What it does", rows, ("left", "up"), shaded=False)
    side = maps.Side("x", 0.0, 2.0, 3, whole=True)
    drawn = maps.maps("m", [field], side, side, [], cells=True, form=str, width=860, title="t", says="s")
    boxes = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", drawn[drawn.index("<g transform") : drawn.index("</g>")])
    covered = [(int(x) + a, int(y) + b) for x, y, w, h in boxes for a in range(int(w)) for b in range(int(h))]
    assert len(covered) == len(set(covered)) == 9 and len(boxes) == 3
    assert drawn.count("←") == 4 and drawn.count("↑") == 5


def shown_without_film(document: Any) -> Any:
    views = json.loads(json.dumps(document.views))
    for view in views["explained"].values():
        for scene in view["control"]:
            for one in scene["shows"]:
                one["film"] = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    return document.model_copy(update={"views": views})


def test_a_gif_plays_only_when_it_is_asked_for(made):
    shown = section(page(shown_without_film(made)))
    assert "<video" not in shown
    for at in re.finditer("data:image/gif", shown):
        before = shown[: at.start()]
        assert before.rindex('<details class="gif">') > before.rfind("</details>")
    assert "prefers-reduced-motion: reduce" in shown
