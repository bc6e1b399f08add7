from __future__ import annotations

import json
import random
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from bakeoff.contract import Item, Probes, ProbeSet
from bakeoff.errors import BadData, BadStudy, BakeoffError
from bakeoff.measure import robustness
from bakeoff.tasks.text import edge_cases, perturb
from bakeoff.tasks.text.edge_cases import KINDS, load_edge_set, load_edge_sets, shipped, side_of
from bakeoff.tasks.text.task import TextTask

LABELS = ["negative", "positive"]
HERE = Path()
PERTURBED = ("entity-swap", "look-alikes", "case-and-spacing")
RAW = (edge_cases.FOLDER / "sentiment.jsonl").read_text(encoding="utf-8")
ROWS = [json.loads(line) for line in RAW.splitlines()]


@pytest.fixture(scope="module")
def sentiment() -> ProbeSet:
    return load_edge_set("sentiment", LABELS, HERE)


def write(folder: Path, rows: list[dict[str, object]], name: str = "own.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# -- the shipped set -------------------------------------------------------------------------------------------------


def test_it_is_large_balanced_and_says_why(sentiment: ProbeSet) -> None:
    hard = [item for item in sentiment.items if item.meta["kind"] != "base"]
    counts = Counter(item.target for item in hard)
    assert counts["positive"] == counts["negative"] >= 100
    assert 20 <= counts[None] <= len(hard) / 5
    assert len({item.id for item in sentiment.items}) == len(sentiment.items)
    assert all(8 <= len(str(item.meta["why"])) <= 200 for item in sentiment.items)
    assert sentiment.source == "written" and shipped() == ["sentiment"]


def test_every_kind_is_described_has_enough_inputs_and_does_not_give_its_label_away(sentiment: ProbeSet) -> None:
    by_kind: dict[str, list[Item]] = {}
    for item in sentiment.items:
        by_kind.setdefault(str(item.meta["kind"]), []).append(item)
    assert set(by_kind) == set(sentiment.kinds) == set(KINDS)
    assert all(sentiment.kinds.values())
    for kind, items in by_kind.items():
        counts = Counter(item.target for item in items)
        assert len(items) >= 6, kind
        assert counts["positive"] == counts["negative"], kind
        assert counts["positive"] >= 4 or kind == "empty", kind


def test_bases_are_in_the_set_and_what_must_stay_has_their_label(sentiment: ProbeSet) -> None:
    by_id = {item.id: item for item in sentiment.items}
    made = [item for item in sentiment.items if "base" in item.meta]
    assert len(made) >= 60
    for item in made:
        base = by_id[str(item.meta["base"])]
        assert base.meta["kind"] == "base" and base.input != item.input
        assert item.meta["keeps"] is (item.target == base.target)
    # So that the intervals of a kind are exact: no base twice in one kind.
    assert max(Counter((item.meta["kind"], item.meta["base"]) for item in made).values()) == 1
    assert {item.meta["kind"] for item in made if not item.meta["keeps"]} == {"negated-copy"}


def test_no_input_is_there_twice(sentiment: ProbeSet) -> None:
    def bare(text: str) -> str:
        return " ".join(text.casefold().split())

    seen = Counter(bare(item.input) for item in sentiment.items if item.meta["kind"] not in ("empty", *PERTURBED))
    assert max(seen.values()) == 1
    assert max(Counter(item.input for item in sentiment.items).values()) == 1


def test_what_kinds_promise_is_so(sentiment: ProbeSet) -> None:
    def texts(kind: str) -> list[str]:
        return [item.input for item in sentiment.items if item.meta["kind"] == kind]

    by_id = {item.id: item for item in sentiment.items}
    assert all(len(text) > 2_000 for text in texts("very-long"))
    assert not any(char.isalnum() for text in (*texts("empty"), *texts("emoji-only")) for char in text)
    assert all(item.target is None for item in sentiment.items if item.meta["kind"] == "empty")
    assert all(any(ord(char) > 0xAC for char in text) for text in (*texts("look-alikes"), *texts("emoji-and-text")))
    assert all("positiv" in text.lower() or "negativ" in text.lower() for text in texts("label-words"))
    assert all(any(char.isdigit() for char in text) for text in texts("numbers"))
    assert all(text.rstrip().endswith("?") for text in texts("question"))
    for item in sentiment.items:
        if item.meta["kind"] == "look-alikes":
            seen = unicodedata.normalize("NFKC", item.input).translate({0x200B: None, 0xAD: None})
            latin = seen.translate(str.maketrans("аеорсхуі", "aeopcxyi"))
            assert latin == by_id[str(item.meta["base"])].input
        if item.meta["kind"] == "case-and-spacing":
            assert re.sub(r"\s", "", item.input).casefold() == re.sub(r"\s", "", by_id[str(item.meta["base"])].input).casefold()
        if item.meta["kind"] == "very-long" and "base" in item.meta:
            assert by_id[str(item.meta["base"])].input in item.input


def test_the_order_of_an_injection_does_not_tell_the_answer(sentiment: ProbeSet) -> None:
    """Neither obeying nor doing the opposite may look like robustness."""
    asked = [item for item in sentiment.items if item.meta["kind"] == "prompt-injection" and item.target is not None]
    with_order = [(item, re.findall(r"\b(negative|positive)\b", item.input)[-1]) for item in asked]
    obeyed = sum(item.target == order for item, order in with_order)
    assert 0 < obeyed < len(asked) / 2


def test_the_file_is_plain_utf8_with_invisible_characters_escaped() -> None:
    assert RAW.endswith("\n") and "\r" not in RAW and "\ufeff" not in RAW and "\ufffd" not in RAW
    hidden = {char for char in RAW if unicodedata.category(char) == "Cf"}
    assert not hidden
    assert all(set(row) <= {"id", "kind", "text", "label", "base", "keeps", "why"} for row in ROWS)
    assert all(row["text"].encode("utf-8") for row in ROWS if row["text"])


def test_the_page_names_every_kind_with_its_counts(sentiment: ProbeSet) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "edge-cases.md").read_text(encoding="utf-8")
    counts = Counter((item.meta["kind"], item.target) for item in sentiment.items)
    for kind, says in KINDS.items():
        assert f"| `{kind}` | {says} | {counts[kind, 'positive']} | {counts[kind, 'negative']} | {counts[kind, None]} |" in page
    for kind, how in perturb.KINDS.items():
        assert f"| `{kind}` | {how.says} | " in page
    assert f"\n{len(sentiment.items)} inputs written for this project" in page


# -- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "good", "bad"),
    [
        (["negative", "positive"], "positive", "negative"),
        (["neg", "pos"], "pos", "neg"),
        (["NEGATIVE", "NEUTRAL", "POSITIVE"], "POSITIVE", "NEGATIVE"),
        (["bad", "good", "plain"], "good", "bad"),
        (["0", "1"], "1", "0"),
        (["-1", "0", "1"], "1", "-1"),
        (["1-2 stars", "3 stars", "4-5 stars"], "4-5 stars", "1-2 stars"),
        (["thumbs_down", "thumbs_up"], "thumbs_up", "thumbs_down"),
        (["négatif", "positif"], "positif", "négatif"),
    ],
)
def test_labels_are_brought_to_the_names_of_the_study(labels: list[str], good: str, bad: str) -> None:
    found = load_edge_set("sentiment", labels, HERE)
    for item, row in zip(found.items, ROWS, strict=True):
        assert item.target == {"positive": good, "negative": bad, None: None}[row["label"]]
    assert any("'" + good + "'" in note for note in found.notes) == (good != "positive")
    assert any("upside down" in note for note in found.notes) == labels[-1].isdigit()


@pytest.mark.parametrize(
    "labels",
    [
        ["ham", "spam"],
        ["1", "2", "3", "4", "5"],
        ["1", "2"],
        ["negative", "positive", "very positive"],
        ["good", "negative", "positive"],
        ["positive"],
        ["0", "1", "2"],
        [],
    ],
)
def test_labels_that_do_not_say_good_and_bad_are_refused_with_a_way_out(labels: list[str]) -> None:
    with pytest.raises(BadStudy) as caught:
        load_edge_set("sentiment", labels, HERE)
    assert "own set" in caught.value.fix and "text, kind and label" in caught.value.fix
    assert "'positive'" in caught.value.what or "'negative'" in caught.value.what


def test_sides_are_told_by_name_only() -> None:
    assert side_of(" Very_Positive ") == "positive" and side_of("ＢＡＤ") == "negative"
    assert side_of("not recommended") == "negative" and side_of("1") is None and side_of("") is None


# -- own sets --------------------------------------------------------------------------------------------------------

OWN: list[dict[str, object]] = [
    {"id": "a", "text": "Refund me now!", "kind": "base", "label": "billing"},
    {"id": "b", "text": "REFUND ME NOW!", "kind": "capitals", "label": "billing", "base": "a"},
    {"id": "c", "text": "Do not refund me.", "kind": "negation", "label": "other", "base": "a"},
    {"id": "d", "text": "", "kind": "empty", "label": None},
]


def test_an_own_jsonl_set(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    found = load_edge_set("own.jsonl", ["billing", "other"], tmp_path)
    assert [(item.id, item.target) for item in found.items] == [("a", "billing"), ("b", "billing"), ("c", "other"), ("d", None)]
    assert found.items[1].meta == {"kind": "capitals", "base": "a", "keeps": True}
    assert found.items[2].meta == {"kind": "negation", "base": "a", "keeps": False}
    assert found.kinds == {"base": "base", "capitals": "capitals", "negation": "negation", "empty": "empty"}
    assert load_edge_set(str(path), ["billing", "other"], HERE) == found


def test_an_own_csv_set_needs_three_columns(tmp_path: Path) -> None:
    (tmp_path / "Own Set.csv").write_text(
        "Text,kind,label,colour\nnot good,negation,neg,red\ngood,base,pos,\nsay,plain,,\n", "utf-8"
    )
    found = load_edge_set("Own Set.csv", ["bad", "good"], tmp_path)
    assert [item.target for item in found.items] == ["bad", "good", None]
    assert [item.id for item in found.items] == ["line-2", "line-3", "line-4"]
    assert found.name == "own-set"
    assert any("'colour'" in note for note in found.notes)


def test_an_own_set_may_use_any_labels_of_the_study(tmp_path: Path) -> None:
    write(tmp_path, [{"text": "x", "kind": "k", "label": "positive"}, {"text": "y", "kind": "k", "label": "very positive"}])
    found = load_edge_set("own.jsonl", ["negative", "positive", "very positive"], tmp_path)
    assert [item.target for item in found.items] == ["positive", "very positive"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": None}, "line 2: the text is None"),
        ({"text": 7}, "line 2: the text is 7"),
        ({"text": "x" * (edge_cases.LONGEST_TEXT + 1)}, "line 2: the text has 100,001 characters"),
        ({"kind": ""}, "line 2: the kind is ''"),
        ({"kind": ["a"]}, "line 2: `kind` is"),
        ({"label": {"a": 1}}, "line 2: `label` is"),
        ({"label": "a\nb"}, "is no label"),
        ({"base": "zz"}, "line 2: there is no input with the id 'zz'"),
        ({"base": "b"}, "was itself made from another input"),
        ({"keeps": "perhaps"}, "line 2: `keeps` is 'perhaps'"),
        ({"label": "other", "keeps": True}, "must stay, but the labels are 'billing' and 'other'"),
        ({"base": None, "keeps": True}, "`keeps` needs a `base`"),
        ({"text": "half \ud83d"}, "line 2: `text` holds"),
        ({"id": "a\u202eb"}, "is no id"),
        ({"id": "a"}, "line 2: the id 'a' comes twice; first in 'own.jsonl', line 1"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, change: dict[str, object], says: str) -> None:
    write(tmp_path, [OWN[0], {**OWN[1], **change}, *OWN[2:]])
    with pytest.raises(BadData) as caught:
        load_edge_set("own.jsonl", ["billing", "other"], tmp_path)
    assert says in caught.value.what and caught.value.fix


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sentimnt", "No set of edge cases is called 'sentimnt'"),
        ("none.jsonl", "there is no such file"),
        ("", "no name and no path"),
        ("a\0b.jsonl", "no name and no path"),
        ("set.exe", "No set of edge cases is called"),
        ("x" * 5000 + ".jsonl", "there is no such file"),
    ],
)
def test_a_set_that_does_not_exist(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(BadStudy, match=re.escape(says)) as caught:
        load_edge_set(name, LABELS, tmp_path)
    assert "sentiment" in caught.value.fix or "path" in caught.value.fix


def test_files_without_the_columns_without_rows_and_with_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [{"text": "x", "lable": "positive", "kind": "k"}])
    with pytest.raises(BadData, match="has no column 'label'"):
        load_edge_set("own.jsonl", LABELS, tmp_path)
    (tmp_path / "own.csv").write_text("text,kind,label\n", "utf-8")
    with pytest.raises(BadData):
        load_edge_set("own.csv", LABELS, tmp_path)
    write(tmp_path, [{"text": str(i), "kind": "k", "label": "positive"} for i in range(edge_cases.MOST_INPUTS + 1)])
    with pytest.raises(BadData, match="more than 10,000 inputs"):
        load_edge_set("own.jsonl", LABELS, tmp_path)


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [{"text": "x", "kind": "k", "label": "positive"}], "sentiment.jsonl")
    with pytest.raises(BadStudy, match="both called 'sentiment'"):
        load_edge_sets(["sentiment", "sentiment.jsonl"], LABELS, tmp_path)
    write(tmp_path, [{"text": "x", "kind": "k", "label": "positive"}], "changed-test-items.jsonl")
    with pytest.raises(BadStudy, match="changed test items"):
        load_edge_sets(["changed-test-items.jsonl"], LABELS, tmp_path)


def test_a_broken_file_is_an_error_with_a_fix_or_a_usable_set(tmp_path: Path) -> None:
    """Seeded damage to a good file: bytes flipped, cut, doubled, and JSON values swapped for others."""
    good = write(
        tmp_path, [*OWN, *({"id": str(i), "text": f"t{i}", "kind": "k", "label": "other"} for i in range(6))]
    ).read_bytes()
    rng = random.Random(5)
    path = tmp_path / "broken.jsonl"
    pieces = [
        b"null",
        b"[]",
        b"{}",
        b'""',
        b"1e999",
        b"-0",
        b"\xff",
        b"\0",
        b"\n",
        b'"',
        b"\\ud800",
        b"NaN",
        b"true",
        "\u2028".encode(),
        b'"base"',
    ]
    values: list[object] = [
        None,
        "",
        "a",
        "b",
        "other",
        1,
        -0.0,
        True,
        [],
        {},
        "\ud800",
        "nan",
        "x" * 300,
        "\u202e",
        "base",
        "false",
    ]
    outcomes: Counter[str] = Counter()
    for _ in range(400):
        data = bytearray(good)
        if rng.random() < 0.5:
            rows = [dict(json.loads(line)) for line in good.decode().splitlines()]
            row = rng.choice(rows)
            row[rng.choice([*row, "base", "keeps", "why"])] = rng.choice(values)
            data = bytearray("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        else:
            at = rng.randrange(len(data))
            how = rng.randrange(4)
            if how == 0:
                data[at] = rng.randrange(256)
            elif how == 1:
                data[at : at + rng.randrange(1, 30)] = rng.choice(pieces)
            elif how == 2:
                del data[at : at + rng.randrange(1, 200)]
            else:
                data[at:at] = data[at : at + rng.randrange(1, 100)]
        path.write_bytes(bytes(data))
        try:
            found = load_edge_set("broken.jsonl", ["billing", "other"], tmp_path)
        except BakeoffError as error:
            assert error.what and error.fix
            outcomes["refused"] += 1
        else:
            ids = {item.id for item in found.items}
            assert len(ids) == len(found.items)
            assert all(item.input.encode("utf-8") is not None and item.id.encode("utf-8") for item in found.items)
            assert all(
                item.target in ("billing", "other", None) and item.meta.get("base", item.id) in ids for item in found.items
            )
            outcomes["read"] += 1
    assert outcomes["refused"] > 100 and outcomes["read"] > 20


# -- the task --------------------------------------------------------------------------------------------------------

TEST = [Item(str(i), f"It works great, item {i}, and I don't want another.", LABELS[i % 2]) for i in range(6)]


def test_the_task_makes_probes(tmp_path: Path) -> None:
    task = TextTask()
    assert isinstance(task, Probes)
    found = task.probes(TEST, sets=["sentiment"], generated=2, kinds=["upper", "lower"], base=tmp_path)
    assert [(one.name, one.source) for one in found] == [("sentiment", "written"), ("changed-test-items", "generated")]
    assert set(found[1].kinds) == {"base", "upper", "lower"}
    assert found == task.probes(list(reversed(TEST)), sets=["sentiment"], generated=2, kinds=["upper", "lower"], base=tmp_path)
    assert task.probes(TEST, sets=[], generated=0, kinds=[], base=tmp_path) == []


def test_the_task_refuses_an_unknown_kind_even_if_none_are_made(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="'uper'") as caught:
        TextTask().probes(TEST, sets=[], generated=0, kinds=["uper"], base=tmp_path)
    assert "'upper'" in caught.value.fix


@pytest.mark.model
@pytest.mark.slow
def test_a_trained_classifier_is_better_on_plain_sentences_than_on_hard_ones(real_assets: Path) -> None:
    from bakeoff.contract import quiet
    from bakeoff.tasks.text.tfidf_linear import TfidfLinear

    task, data = TextTask(), {"source": "asset:product-reviews"}
    dataset = task.load(data, base=HERE)
    splits = task.split(dataset, data, seeds=[0])
    by_id = {item.id: item for item in dataset.items}
    fitted = TfidfLinear().fit(
        [by_id[name] for name in splits.train[0]], [by_id[name] for name in splits.valid[0]], seed=0, progress=quiet
    )
    (probes,) = task.probes([by_id[name] for name in splits.test], sets=["sentiment"], generated=0, kinds=[], base=HERE)
    answers = dict(zip([i.id for i in probes.items], fitted.answer([i.asked() for i in probes.items]), strict=True))
    results = {one.kind: one for one in robustness.by_kind(probes.items, answers)}
    everything = robustness.overall(probes.items, answers)
    assert everything.accuracy is not None and results["base"].accuracy is not None
    assert everything.accuracy.mid < results["base"].accuracy.mid
    # It reads words, so other things of the same judgement change nothing, and words it does not know carry nothing.
    assert results["entity-swap"].flips == 0
    assert results["other-language"].right < results["other-language"].judged
