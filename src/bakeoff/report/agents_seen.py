"""What agents can be seen doing: the film of a checkpoint that is chosen on the curve, one turn of the loop with its numbers, maps of the policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import ApproachResult, Document
from bakeoff.report import format as form
from bakeoff.report.agents_given import amount, listed, listing_of, looks_of, mapping, number, results, steps, whole
from bakeoff.report.charts import maps
from bakeoff.report.charts.svg import n as coordinate
from bakeoff.report.figure import STRANGER, Figure, both, listing
from bakeoff.report.mistakes import DATA_PICTURE
from bakeoff.report.palette import Look
from bakeoff.report.tables import Cell, Table, plain

FILM = re.compile(r"data:(?:video/(?:mp4|webm)|image/gif);base64,[A-Za-z0-9+/]+={0,2}")
MOST_SHOWS = 4
CURVE_WIDE, CURVE_TALL = 1000.0, 120.0
MOST_POINTS = 12
MOST_FILMS, MOST_STILLS = 3_000_000, 700_000
"""Characters of all films, and of all stills of films, that a page may hold. Beyond, those of checkpoints that do not answer go first."""


class Show(NamedTuple):
    """One checkpoint: the words of its label, its place on the curve in percent (None where the curve is not known), its film and stills."""

    which: str
    label: str
    says: str
    left: float | None
    top: float | None
    answers: bool
    film: str
    moves: bool
    poster: str
    width: int
    height: int
    strip: Sequence[tuple[str, str]]
    why: str
    alt: str


class Loop(NamedTuple):
    """One turn: what was seen, what was done, what it earned, what came next. `numbers` are (name, before, after)."""

    step: str
    picture: str
    numbers: Sequence[tuple[str, str, str]]
    more: str
    action: str
    reward: str
    hidden: str
    value: str
    probabilities: Sequence[tuple[str, str, float]]
    next_step: str


class Scene(NamedTuple):
    """One approach in one environment."""

    ident: str
    world: str
    seed: str
    shows: Sequence[Show]
    curve: str
    low: str
    high: str
    longest: str
    loop: Loop | None
    maps: Figure | None
    maps_why: str


class Seen(NamedTuple):
    """One approach, with the parts of its network."""

    name: str
    look: Look
    chosen: bool
    parts: Sequence[tuple[str, str, str]]
    scenes: Sequence[Scene]


def seen(document: Document) -> list[Seen]:
    """Every approach that can be shown, in shown order."""
    explained, colours = mapping(document.views.get("explained")), looks_of(document)
    made = []
    for place, result in enumerate(results(document)):
        scenes = [
            scene
            for index, each in enumerate(listed(mapping(explained.get(result.name)).get("control"))[:8])
            if (scene := _scene(document, result, mapping(each), f"scene-{place}-{index}")) is not None
        ]
        parts = _parts(result)
        if scenes or parts:
            made.append(
                Seen(result.name, colours.get(result.name, STRANGER), result.name == document.verdict.choice, parts, scenes)
            )
    return made


def _parts(result: ApproachResult) -> list[tuple[str, str, str]]:
    """The named parts of a network: name, what it is for, and its size in words."""
    made = []
    for each in listed(result.chosen.get("parts"))[:12]:
        part = mapping(each)
        if "name" not in part:
            continue
        shapes = mapping(part.get("shapes"))
        sizes = ["×".join(str(side) for side in listed(shape)) for shape in shapes.values() if len(listed(shape)) > 1]
        count = whole(part.get("parameters"))
        said = f"{count:,} parameters" if count else ""
        made.append((str(part["name"]), str(part.get("what", "")), "; ".join(filter(None, (said, ", ".join(sizes[:4]))))))
    return made


def _scene(document: Document, result: ApproachResult, given: Mapping[str, Any], ident: str) -> Scene | None:
    shows = [mapping(each) for each in listed(given.get("shows"))][:MOST_SHOWS]
    shows = [each for each in shows if "which" in each]
    if not shows:
        return None
    rows = _course(document, result.name, str(given.get("world", "")))
    values = [row[1] for row in rows] + [value for each in shows if (value := number(each.get("valid_return"))) is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    longest = max([row[0] for row in rows] + [at for each in shows if (at := number(each.get("step"))) is not None], default=0.0)

    def across(step: float) -> float:
        return 100 * step / longest if longest > 0 else 0.0

    def down(value: float) -> float:
        return 100 * (1 - (value - low) / (high - low)) if high > low else 50.0

    curve = ""
    if len(rows) > 1 and longest > 0:
        curve = "M" + "L".join(
            f"{coordinate(across(x) * CURVE_WIDE / 100)} {coordinate(down(y) * CURVE_TALL / 100)}" for x, y in rows
        )
    made = [_show(each, across, down, bool(curve)) for each in shows]
    figure, why = _maps(mapping(given.get("map")), ident, result.name)
    return Scene(
        ident, str(given.get("world", "")), form.setting(given.get("seed", "")), made, curve, amount(low), amount(high), steps(longest),
        _loop(mapping(given.get("loop"))), figure, why,
    )  # fmt: skip


def _course(document: Document, name: str, world: str) -> list[tuple[float, float]]:
    """Steps and validation return of seed 0, of one environment."""
    rows = listed(mapping(mapping(document.views.get("training")).get(name)).get("0"))
    made = []
    for row in rows:
        held = mapping(row)
        at, value = number(held.get("step")), number(held.get("return"))
        if at is not None and value is not None and held.get("environment", world) == world:
            made.append((at, value))
    return sorted(made)


def _show(given: Mapping[str, Any], across: Any, down: Any, curve: bool) -> Show:
    at, value = number(given.get("step")), number(given.get("valid_return"))
    total, hidden, length = number(given.get("return")), number(given.get("hidden")), whole(given.get("length"))
    which = str(given["which"])
    label = form.MISSING if at is None else f"step {steps(at)}"
    ended = {"terminated": "it ended by the environment's rules", "cut off": "the time limit cut it off"}.get(
        str(given.get("ended", "")), "it is not shown to its end"
    )
    says = [] if total is None else [f"This episode: return {amount(total)} in {length:,} steps; {ended}."]
    if hidden is not None:
        says.append(f"Hidden return {amount(hidden)}.")
    if value is not None:
        clock = number(given.get("cpu_seconds"))
        spent = "" if clock is None or not at else f" after {form.seconds(clock)} of CPU time"
        says.append(f"Mean validation return {amount(value)}{spent}.")
    film = str(given.get("film") or "")
    film = film if FILM.fullmatch(film) else ""
    every = whole(given.get("every"))
    if film and every > 1:
        says.append(f"The film shows every {every}{'nd' if every == 2 else 'rd' if every == 3 else 'th'} step.")
    stills = [
        str(each) if isinstance(each, str) and DATA_PICTURE.fullmatch(each) else "" for each in listed(given.get("strip"))[:8]
    ]
    marks = [f"{whole(each):,}" for each in listed(given.get("strip_steps"))[:8]]
    poster = str(given.get("poster") or "")
    alt = f"Film of the episode: {which}, {label}, return {amount(total)}, {length:,} steps. The stills beside it show the same."
    return Show(
        which, label, " ".join(says), across(at) if curve and at is not None else None,
        down(value) if curve and value is not None else None, given.get("answers") is True, film, film.startswith("data:video/"),
        poster if DATA_PICTURE.fullmatch(poster) else "", min(720, whole(given.get("width")) or 300), min(480, whole(given.get("height")) or 200),
        [(still, mark) for still, mark in zip(stills, marks, strict=False) if still], str(given.get("why") or ""), alt,
    )  # fmt: skip


def _loop(given: Mapping[str, Any]) -> Loop | None:
    if "action" not in given or number(given.get("reward")) is None:
        return None
    before, after = ([number(each) for each in listed(given.get(key))] for key in ("observation", "next"))
    names = [str(each) for each in listed(given.get("names"))]
    numbers = [
        (
            names[k] if k < len(names) else f"observation {k}",
            form.number(before[k]),
            form.number(after[k]) if k < len(after) else form.MISSING,
        )
        for k in range(len(before))
    ]
    count, at = whole(given.get("numbers")), whole(given.get("step"))
    if isinstance(given.get("on"), list):  # many noughts and ones: only the ones are of interest
        ones = [", ".join(str(whole(each)) for each in listed(given.get(key))) or "none" for key in ("on", "next_on")]
        numbers, count = [(f"which of {count:,} numbers are 1", ones[0], ones[1])], 1
    more = f"{count:,} numbers" if not numbers and count else f"and {count - len(numbers):,} more" if count > len(numbers) else ""
    shares = [
        (str(each[0]), form.percent(share, 1), max(0.0, min(1.0, share)))
        for each in listed(given.get("probabilities"))
        if isinstance(each, list | tuple) and len(each) == 2 and (share := number(each[1])) is not None
    ]
    value, name, hidden = number(given.get("value")), given.get("action_name"), number(given.get("hidden"))
    action = form.setting(given["action"]) if name is None else str(name)
    reward = number(given.get("reward")) or 0.0
    return Loop(
        f"{at:,}", _picture(given.get("picture")), numbers, more, action, _signed(reward), "" if hidden is None else _signed(hidden),
        "" if value is None else form.number(value), shares, f"{at + 1:,}",
    )  # fmt: skip


def _signed(value: float) -> str:
    return f"+{amount(value)}" if value > 0 else amount(value)


def _picture(given: Any) -> str:
    return given if isinstance(given, str) and DATA_PICTURE.fullmatch(given) else ""


def _grid(given: Any, across: int, down: int) -> list[list[float]] | None:
    """Rows of numbers of the promised size; None for anything else."""
    rows = [[number(each) for each in listed(row)] for row in listed(given)]
    if len(rows) != down or any(len(row) != across or None in row for row in rows):
        return None
    return [[value for value in row if value is not None] for row in rows]


def _side(given: Mapping[str, Any]) -> maps.Side | None:
    low, high, count = number(given.get("low")), number(given.get("high")), whole(given.get("n"))
    if low is None or high is None or not 1 <= count <= 64:
        return None
    return maps.Side(str(given.get("name", "")), low, high, count, given.get("whole") is True)


def _maps(given: Mapping[str, Any], ident: str, name: str) -> tuple[Figure | None, str]:
    x, y = _side(mapping(given.get("x"))), _side(mapping(given.get("y")))
    if x is None or y is None:
        return None, str(given.get("why") or "")
    fields: list[maps.Field] = []
    rows: list[tuple[Cell, ...]] = []
    actions = [str(each) for each in listed(given.get("actions"))][:12]
    policy = _grid(given.get("policy"), x.n, y.n)
    if policy is not None and actions and all(0 <= action < len(actions) for row in policy for action in row):
        fields.append(maps.Field("What it does", [[int(action) for action in row] for row in policy], actions, shaded=False))
        flat = [int(action) for row in policy for action in row]
        shares = [flat.count(k) / len(flat) for k in range(len(actions))]
        rows += [
            (plain(f"prefers {action}"), Cell(form.percent(share), share, "num"))
            for action, share in zip(actions, shares, strict=True)
        ]
    for key, title in (("amount", f"What it does: {actions[0] if actions else 'action'}"), ("value", "What it expects to come")):
        grid = _grid(given.get(key), x.n, y.n)
        if grid is not None:
            flat_ = [value for row in grid for value in row]
            low, high = min(flat_), max(flat_)
            shade = [[min(maps.LEVELS - 1, int((v - low) / ((high - low) or 1) * maps.LEVELS)) for v in row] for row in grid]
            fields.append(maps.Field(title, shade, (form.number(low), form.number(high)), shaded=True))
            rows += [
                (plain(f"{title}, lowest"), Cell(form.number(low), low, "num")),
                (plain(f"{title}, highest"), Cell(form.number(high), high, "num")),
            ]
    if not fields:
        return None, str(given.get("why") or "")
    path = [
        (a, b)
        for each in listed(given.get("path"))
        if len(p := listed(each)) == 2 and (a := number(p[0])) is not None and (b := number(p[1])) is not None
    ]
    fixed = [f"{mapping(e).get('name', '')} {form.number(number(mapping(e).get('value')))}" for e in listed(given.get("fixed"))]
    caption = (
        f"Over {x.name} and {y.name}"
        + (f", with the others held at the middle of what was met: {listing_of(fixed)}" if fixed else "")
        + (". Dots are states of the episode that is shown." if path and not given.get("cells") else ".")
        + (
            " The value is the policy's own estimate, not what it earned."
            if any(f.title.startswith("What it expects") for f in fields)
            else ""
        )
    )
    table = Table("The figures of these maps", ("Share of the map, or value", "Figure"), rows)
    says = listing([f"{row[0].text} {row[1].text}" for row in rows])
    drawn = both(
        f"map-{ident}", caption, table,
        lambda i, w: maps.maps(
            i, fields, x, y, path, cells=given.get("cells") is True, form=form.number, width=w, title=f"What {name} does, over two dimensions", says=says
        ),
    )  # fmt: skip
    return drawn, ""


# -- how much of it a page may hold ---------------------------------------------------------------------------------


def media_bytes(views: Mapping[str, Any]) -> int:
    """Characters of all films in the views."""
    return sum(len(film) for _, show in _every_show(views) if isinstance(film := show.get("film"), str) and FILM.fullmatch(film))


def bounded(views: dict[str, Any]) -> dict[str, Any]:
    """The views with at most `MOST_FILMS` of films and `MOST_STILLS` of stills; what goes beyond is left out, checkpoints that do not answer first.

    A film that is no ``data:`` film, or larger than all may be together, is left out too. Nothing is changed in place where nothing is left out.
    """
    order = sorted(_every_show(views), key=lambda pair: pair[1].get("answers") is not True)  # stable: otherwise as they come
    films = stills = 0
    drop: dict[int, set[str]] = {}
    for place, show in order:
        film = show.get("film")
        if isinstance(film, str) and film:
            fits = FILM.fullmatch(film) is not None and films + len(film) <= MOST_FILMS
            films += len(film) * fits
            drop.setdefault(place, set()).update(() if fits else ("film",))
        size = len(str(show.get("poster") or "")) + sum(len(str(each)) for each in listed(show.get("strip")))
        fits = stills + size <= MOST_STILLS
        stills += size * fits
        drop.setdefault(place, set()).update(() if fits else ("poster", "strip"))
    if not any(drop.values()):
        return views
    count = iter(range(len(order)))

    def kept(show: Any) -> Any:
        if not isinstance(show, Mapping):
            return show
        gone = drop.get(next(count), set())
        empty = {"film": "", "poster": "", "strip": []}
        return {**show, **{key: empty[key] for key in gone}}

    explained = {}
    for name, view in mapping(views.get("explained")).items():
        if isinstance(view, Mapping) and isinstance(view.get("control"), list):
            scenes = [
                {**scene, "shows": [kept(show) for show in scene["shows"]]}
                if isinstance(scene, Mapping) and isinstance(scene.get("shows"), list)
                else scene
                for scene in view["control"]
            ]
            view = {**view, "control": scenes}
        explained[name] = view
    return {**views, "explained": explained}


def thinned(views: dict[str, Any]) -> dict[str, Any]:
    """The views of a study of agents with fewer points of single seeds and six digits a number, for a page that is too large otherwise.

    Of the training's rows seed 0 keeps all (its checkpoints are chosen on them), the others go: `control` has the curves of every seed; of those every second point.
    Nothing is changed in place, and nothing at all in other studies.
    """
    if not isinstance(views.get("control"), Mapping):
        return views

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}")
        if isinstance(value, Mapping):
            return {name: walk(each, str(name)) for name, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in (value[:-1:2] + value[-1:] if key == "points" and len(value) > MOST_POINTS else value)]
        return value

    trained = {
        name: {seed: rows for seed, rows in seeds.items() if seed == "0"} if isinstance(seeds, Mapping) else seeds
        for name, seeds in mapping(views.get("training")).items()
    }
    return {**views, "control": walk(views["control"]), **({"training": walk(trained)} if trained else {})}


def _every_show(views: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    found = []
    for view in mapping(views.get("explained")).values():
        given = mapping(view).get("control")
        for scene in given if isinstance(given, list) else ():
            shows = mapping(scene).get("shows")
            found += [show for show in (shows if isinstance(shows, list) else ()) if isinstance(show, Mapping)]
    return list(enumerate(found))
