"""The images task: an item is a picture, an answer is one of the study's labels, with probabilities where there are any."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bakeoff.contract import Answer, Dataset, Finding, Item, Json, Metric, ProbeSet, Progress, Splits, quiet
from bakeoff.errors import BadData, BadStudy, nearest
from bakeoff.measure import splits as splitting
from bakeoff.tasks.images.corruptions import KINDS, SEVERITIES
from bakeoff.tasks.images.data import load_images, read_settings
from bakeoff.tasks.images.pictures import Pictures

LONGEST_SHOWN = 300
HELD_OUT = "held-out-style"
SETS = (HELD_OUT,)
MOST_DOUBTS = 12
MOST_ADDRESS = 4000
SHOWN_SIDE = 64


class ImagesTask:
    """Labels for pictures: two classes or many.

    `Item.input` is the key of a prepared picture (see `bakeoff.tasks.images.pictures`), `Item.target` the label (str), `Item.group` the object
    that is shown where the source knows it, `Item.meta` has ``style`` and ``file``.
    """

    name = "images"

    def load(self, data: Mapping[str, Json], *, base: Path, progress: Progress = quiet) -> Dataset:
        """Read, check and prepare what the `data` section names: see `bakeoff.tasks.images.data.load_images`.

        Raises
        ------
        BadStudy
            For unknown keys and values out of range.
        BadData
            For sources that cannot be used.
        """
        return load_images(read_settings(data), base=base, progress=progress)

    def split(self, dataset: Dataset, data: Mapping[str, Json], *, seeds: Sequence[int]) -> Splits:
        """Test once, train and valid for each seed: see `bakeoff.measure.splits.split_items`. Copies are never parted."""
        settings = read_settings(data)
        return splitting.split_items(
            dataset.items,
            seeds=seeds,
            test=settings.test or splitting.TEST_SHARE,
            valid=settings.valid or splitting.VALID_SHARE,
            split_seed=settings.split_seed,
            published_test=dataset.suggested_test,
            published_valid=dataset.suggested_valid,
            copies=partial(_copies, Pictures.open(Path(dataset.material))),
        )

    def metrics(self, dataset: Dataset) -> Mapping[str, Metric]:
        """`bakeoff.measure.classification.metrics` of the data's labels; accuracy first."""
        from bakeoff.measure.classification import metrics

        return metrics(_labels_of(dataset.items))

    def check(self, dataset: Dataset, splits: Splits) -> Sequence[Finding]:
        """BK001, 2, 4, 6, 7, 8 and 9: leaks of the same and of nearly the same picture, rare classes, labels, imbalance, copies.

        Leaks are looked for between test and everything else, which is train and valid of every seed together.
        """
        from bakeoff.measure import checks
        from bakeoff.tasks.images import picture_checks as ours

        about = Pictures.open(Path(dataset.material)).about
        labels = {item.id: item.target for item in dataset.items}
        test = frozenset(splits.test)
        rest = frozenset(labels) - test
        trained = next(iter(splits.train.values()), ())
        exact, near = about["exact"], [(str(one), str(other), float(alike)) for one, other, alike in about["near"]]
        return checks.run_checks(
            [
                partial(ours.exact_leak, test, rest, exact),
                partial(ours.near_leak, test, rest, near, exact),
                partial(checks.few_per_class, [labels[key] for key in trained], [labels[key] for key in splits.test]),
                partial(checks.labels_alike, list(labels.values())),
                partial(checks.imbalance, list(labels.values())),
                partial(ours.conflicting_labels, labels, exact, near),
                partial(ours.duplicates_within, test, exact),
            ]
        )

    def views(self, items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> Mapping[str, Json]:
        """Confusion matrices: ``{'confusion': ...}`` as `bakeoff.measure.classification.confusion_counts` gives them."""
        from bakeoff.measure.classification import confusion_counts

        return {"confusion": confusion_counts(items, answers, _labels_of(items))}

    def probes(
        self,
        test: Sequence[Item],
        *,
        sets: Sequence[str],
        generated: int,
        kinds: Sequence[str],
        base: Path,
        material: Path | None = None,
    ) -> Sequence[ProbeSet]:
        """The style that is held out (``held-out-style``), then spoilt copies of test pictures (`bakeoff.tasks.images.corruptions`).

        Parameters
        ----------
        kinds : sequence of str
            Corruptions to generate, as ``jpeg`` (every severity) or ``jpeg-3``; empty for all.
        generated : int
            Test pictures that are spoilt, the same for every kind and severity.

        Raises
        ------
        BadStudy
            For a set or kind that does not exist, a set named twice, or a source without a held-out style.
        """
        wanted = _kinds(kinds)
        for name in sets:
            if name not in SETS:
                raise BadStudy(f"No set of edge cases for pictures is called {name!r}.", fix=nearest(name, SETS))
        if len(set(sets)) != len(sets):
            raise BadStudy(f"`edge_cases.sets` names {HELD_OUT!r} twice.", fix="name it once")
        found = []
        if sets:
            held = Pictures.open(material).about.get("held_out", {}) if material else {}
            found.append(_held_out(held, frozenset(item.group for item in test if item.group)))
        if generated:
            found.append(_spoilt(test, generated, wanted))
        return found

    def pictures(self, items: Sequence[Item], material: Path) -> Mapping[str, str]:
        """A picture of each item by id, as a ``data:`` address of at most 4,000 characters, at most 64 pixels a side."""
        return small_pictures(items, Pictures.open(material))

    def label_doubts(self, items: Sequence[Item], material: Path) -> Mapping[str, Json]:
        """At most `MOST_DOUBTS` items whose label is probably wrong, with their pictures: see `bakeoff.tasks.images.label_errors`."""
        from bakeoff.tasks.images.label_errors import backbone_features, doubted

        store = Pictures.open(material)
        pictures = store.take([str(item.input) for item in items])
        try:
            found = doubted(items, pictures, features=backbone_features(pictures))
        except BadData:  # a class that stands in one group alone: there is nothing to learn it from
            return {}
        by_id = {item.id: item for item in items}
        small = small_pictures([by_id[doubt.id] for doubt in found[:MOST_DOUBTS]], store)
        candidates = [
            {"id": d.id, "given": d.given, "suggested": d.suggested, "margin": d.margin, "picture": small.get(d.id, "")}
            for d in found[:MOST_DOUBTS]
        ]
        return {"of": len(items), "found": len(found), "candidates": candidates}

    def show(self, item: Item) -> str:
        """The file or the object's name on one line, with what was done to it; control and direction characters become spaces."""
        given = item.input
        said = str(item.meta.get("file") or "") if item.meta else ""
        if isinstance(given, Mapping):
            said = f"{said or given.get('picture')} ({given.get('corruption')}, severity {given.get('severity')})"
        elif not said:
            said = "a picture sent to the endpoint" if str(given).startswith("data:") else str(given)
        plain = "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") else char for char in said)
        line = " ".join(plain.split())
        return line if len(line) <= LONGEST_SHOWN else line[: LONGEST_SHOWN - 1].rstrip() + "…"


def small_pictures(items: Iterable[Item], store: Pictures) -> dict[str, str]:
    """``data:`` addresses of at most 4,000 characters by item id; smaller or coarser where a picture would need more."""
    import numpy as np
    from PIL import Image

    from bakeoff.tasks.images.decode import BadPicture, as_address

    found = {}
    for item in items:
        try:
            pixels = store.picture(item.input)
        except BadPicture:
            continue
        for side, quality in ((SHOWN_SIDE, 80), (SHOWN_SIDE, 50), (48, 50), (32, 40), (24, 30)):
            small = np.asarray(pixels)
            if len(small) > side:
                small = np.array(Image.fromarray(small).resize((side, side), Image.Resampling.LANCZOS), dtype=np.uint8)
            address = as_address(small, quality)
            if len(address) <= MOST_ADDRESS:
                found[item.id] = address
                break
    return found


def _copies(store: Pictures, keys: Sequence[str]) -> list[list[int]]:
    """Groups of exact and near copies among pictures by key, as places in `keys`."""
    from bakeoff.tasks.images.near_pictures import chained

    place = {key: i for i, key in enumerate(keys)}
    pairs = [(group[0], other) for group in store.about["exact"] for other in group[1:]]
    pairs += [(one, other) for one, other, _ in store.about["near"]]
    return chained((place[one], place[other]) for one, other in pairs if one in place and other in place)


def _labels_of(items: Sequence[Item]) -> list[str]:
    return sorted({str(item.target) for item in items})


def _kinds(given: Sequence[str]) -> list[tuple[str, int]]:
    known = [f"{kind}-{severity}" for kind in KINDS for severity in SEVERITIES]
    wanted: list[str] = []
    for name in given or KINDS:
        if name not in KINDS and name not in known:
            raise BadStudy(
                f"No corruption of pictures is called {name!r}.",
                fix=nearest(name, [*KINDS, *known] if name[-1:].isdigit() else KINDS),
            )
        wanted += [f"{name}-{severity}" for severity in SEVERITIES] if name in KINDS else [name]
    return [(name.rpartition("-")[0], int(name.rpartition("-")[2])) for name in dict.fromkeys(wanted)]


def _held_out(held: Mapping[str, Sequence[Mapping[str, str]]], tested: Collection[str]) -> ProbeSet:
    """Pictures of the styles held out: those of objects that are tested, so seen in no style, apart from those of objects learned from."""
    if not held:
        raise BadStudy(
            f"`edge_cases.sets` names {HELD_OUT!r}, but no style is held out.",
            fix="leave it out, or set `held_out_style` under `data`",
        )
    items = []
    kinds = {}
    for style, pictures in held.items():
        for each in pictures:
            kind = f"{style}-new-objects" if each.get("object") in tested else f"{style}-known-objects"
            meta = {"kind": kind, "style": style, "file": each["key"]}
            items.append(
                Item(
                    id=f"{HELD_OUT}/{each['key']}", input=each["key"], target=each["target"], group=each.get("object"), meta=meta
                )
            )
        kinds[f"{style}-new-objects"] = (
            f"drawn in the style {style}, which nothing was learned from; objects of the test, never seen either"
        )
        kinds[f"{style}-known-objects"] = (
            f"drawn in the style {style}; objects that were learned from, or validated on, in other styles"
        )
    made = {str(item.meta["kind"]) for item in items}
    note = "The new style and new objects together are the harder question: what is known of an object may help in another style."
    return ProbeSet(HELD_OUT, "written", tuple(items), {kind: says for kind, says in kinds.items() if kind in made}, (note,))


def _spoilt(test: Sequence[Item], n: int, kinds: Sequence[tuple[str, int]]) -> ProbeSet:
    """`n` test pictures, each class in its share, and a copy of each for every kind and severity."""
    whole = [i for i, item in enumerate(test) if isinstance(item.input, str)]
    chosen = [test[i] for i in splitting.sample_items(test, whole, n, seed=0)]
    items = [
        Item(id=f"base/{item.id}", input=item.input, target=item.target, group=item.group, meta={**item.meta, "kind": "base"})
        for item in chosen
    ]
    for kind, severity in kinds:
        items += [
            Item(
                id=f"{kind}-{severity}/{item.id}",
                input={"picture": item.input, "corruption": kind, "severity": severity},
                target=item.target,
                group=item.group,
                meta={**item.meta, "kind": f"{kind}-{severity}", "base": f"base/{item.id}", "keeps": True},
            )
            for item in chosen
        ]
    named = {f"{kind}-{severity}": f"{KINDS[kind]}, severity {severity} of 5" for kind, severity in kinds}
    return ProbeSet("corruptions", "generated", tuple(items), {"base": "the test pictures as they are", **named})
