import re

import pytest
import sample

from bakeoff.report.memo import escape, fenced, language_models, memo, plain, verbatim

FIRST = ["What to do", "How sure this is", "What it costs", "What would change it", "What was not tested"]
SECOND = [
    "Verdict",
    "The evidence",
    "Side by side",
    "What differs",
    "Which items each got wrong",
    "Cost and break-even",
    "Checks",
    "What was not tested, in full",
    "How to reproduce",
]
JARGON = r"p-values?|\bCIs?\b|\bF1\b|\bp(50|90|95|99)\b|confidence interval|bootstrap|\bHolm\b|McNemar|Pareto|latency|non-inferior|\bECE\b|log loss"


@pytest.fixture(scope="module")
def text():
    return memo(sample.document())


@pytest.fixture(scope="module")
def pages(text):
    return text.split("\n---\n\n# For engineers\n")


def test_two_pages_with_sections_in_order(pages):
    first, second = pages
    assert re.findall(r"^## (.*)$", first, re.M) == FIRST
    assert re.findall(r"^## (.*)$", second, re.M) == SECOND


def test_the_first_sentence_is_the_answer(pages):
    lines = pages[0].splitlines()
    assert lines[2].startswith("**Choose finetuned-encoder")


def test_the_first_page_has_no_jargon_even_where_the_document_has():
    made = sample.document()
    verdict = made.verdict.model_copy(
        update={
            "would_change": [
                "If p90 latency <= 50 ms were a limit, the macro F1 of tfidf-linear (95% CI) is non-inferior to it; p-value 0.3."
            ]
        }
    )
    jargon = memo(made.model_copy(update={"verdict": verdict, "study": sample.study(metric_title="Macro F1", metric="macro_f1")}))
    first, second = jargon.split("\n---\n\n# For engineers\n")
    assert not re.search(JARGON, first, re.I)
    assert "a waiting time of at most 50 ms for 9 in 10 items" in first
    assert "p90" in second


def test_the_first_page_says_what_how_sure_and_what_it_costs(pages):
    first = pages[0]
    assert "Use finetuned-encoder." in first
    assert "88.6 of 100 test items" in first and "between 86.5 and 90.7" in first
    assert "could not be told apart from: lora-encoder" in first
    assert "83% of the ways" in first
    assert "$1.16 a day for 10,000 items a day" in first
    assert "1 found a problem and 1 could not be run" in first


def test_the_chart_is_text_in_a_fence(pages):
    chart = re.search(r"```text\n(.*?)\n```", pages[1], re.S)[1].splitlines()
    row = next(line for line in chart if line.startswith("lora-encoder"))
    assert re.search(r"├─+●─+┤", row) and "87.9% (85.7 to 90.1)" in row
    assert "← choice" in next(line for line in chart if line.startswith("finetuned-encoder"))
    assert "◀" in next(line for line in chart if line.startswith("majority"))
    places = {line.split()[0]: line.index("●") for line in chart[2:] if "●" in line}
    assert places["finetuned-encoder"] >= places["lora-encoder"] > places["llm-few-shot"] > places["tfidf-linear"]


def test_tables_have_the_same_number_of_cells_in_each_row(text):
    width = None
    rows = 0
    for line in text.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert width in (None, cells), line
            width, rows = cells, rows + 1
        else:
            width = None
    assert rows > 60


def test_hostile_text_stays_text(text):
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.S | re.M)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert not re.search(r"<[A-Za-z/!?]", outside)
    assert not re.search(r"\]\(|https?://|www\.", outside)
    assert "<script>document.title='owned'" in text, "shown in a code span"
    assert "\x00" not in text and "\u202e" not in text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("a < b and c <= d", "a < b and c <= d"),
        ("[a](b) ![c](d)", "\\[a\\](b) !\\[c\\](d)"),
        ("**x** _y_ macro_f1 `z`", "\\*\\*x\\*\\* \\_y\\_ macro_f1 \\`z\\`"),
        ("# no\nheading", "\\# no heading"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("a | b", "a \\| b"),
        ("https://x www.y", "https\\://x www\\.y"),
        ("&lt;b&gt; & c", "&amp;lt;b&amp;gt; & c"),
        ("=cmd()", "=cmd()"),
        ("+2.1", "+2.1"),
        ("===", "\\==="),
        ("a\x00b", "a␀b"),
    ],
)
def test_escape(given, wanted):
    assert escape(given) == wanted


def test_code_spans_and_fences_are_longer_than_what_they_hold():
    assert verbatim("a `b` | c") == "``a `b` \\| c``"
    assert verbatim("`x`") == "`` `x` ``"
    assert verbatim("") == "` `"
    assert fenced("a\n```\nb").startswith("````\n")


def test_plain_leaves_plain_text_alone():
    assert plain("About 1,960 further items would settle it.") == "About 1,960 further items would settle it."


def test_minimal_and_tied_documents():
    least = memo(sample.minimal())
    assert "Decide nothing yet" in least and "No approach has a measured score." in least
    tied = memo(sample.twins())
    assert "Settle nothing on quality yet" in tied
    assert "| twin-a | 82.2 of 100 | $1.15 | 0.82 ms | twin-b |" in tied


def test_an_undecided_choice_is_for_now():
    made = sample.document()
    verdict = made.verdict.model_copy(update={"kind": "undecided"})
    assert "Use finetuned-encoder for now" in memo(made.model_copy(update={"verdict": verdict}))


@pytest.mark.parametrize("kind", ["clear", "good_enough", "undecided", "none_within_limits", "nothing_ran"])
def test_without_a_choice_no_approach_is_advised(kind):
    made = sample.document()
    verdict = made.verdict.model_copy(update={"kind": kind, "choice": None})
    first = memo(made.model_copy(update={"verdict": verdict})).split("\n---\n")[0]
    assert "Use  " not in first and "Use :" not in first and "{choice}" not in first


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("superior", "A language model is not needed for this: finetuned-encoder is ahead of the best of them, "),
        ("inferior", "A language model is more often right here"),
        ("equivalent", "would not be better by more than the 2.0 points that matter"),
        ("undecided", "Whether a language model would be better is not settled"),
    ],
)
def test_whether_a_language_model_is_needed_is_said_from_its_pair(verdict: str, says: str) -> None:
    document = sample.document()
    assert document.verdict.choice == "finetuned-encoder"
    llms = {r.name for r in document.approaches if r.use == "prompted-llm"}
    turned = {"superior": "inferior", "inferior": "superior"}
    pairs = []
    for pair in document.pairs:
        if pair.a == "finetuned-encoder" and pair.b in llms:
            pair = pair.model_copy(update={"verdict": verdict})
        elif pair.b == "finetuned-encoder" and pair.a in llms:
            pair = pair.model_copy(update={"verdict": turned.get(verdict, verdict)})
        pairs.append(pair)
    said = language_models(document.model_copy(update={"pairs": pairs}))
    assert said is not None and says in said and "larger ones were not" in said
    assert said.split(":")[0] in memo(document.model_copy(update={"pairs": pairs}))


def test_nothing_is_said_of_language_models_where_none_was_measured_or_one_is_chosen() -> None:
    document = sample.document()
    without = [r for r in document.approaches if r.use != "prompted-llm"]
    assert language_models(document.model_copy(update={"approaches": without})) is None
    llm = next(r.name for r in document.approaches if r.use == "prompted-llm")
    chosen = document.verdict.model_copy(update={"choice": llm})
    assert language_models(document.model_copy(update={"verdict": chosen})) is None


def test_what_an_unrivalled_choice_and_no_choice_say() -> None:
    document = sample.document()
    choice = "finetuned-encoder"
    alone = [r if r.name in (choice, "majority") else r.model_copy(update={"within_limits": False}) for r in document.approaches]
    verdict = document.verdict.model_copy(update={"kind": "undecided"})
    made = memo(document.model_copy(update={"approaches": alone, "verdict": verdict}))
    assert "no other approach here could be chosen instead" in made
    nothing = document.verdict.model_copy(update={"kind": "none_within_limits", "choice": None})
    assert "The table above says what each approach would cost for 10,000 items a day." in memo(
        document.model_copy(update={"verdict": nothing})
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "Without the limit `p95 latency <= 200 ms`, x",
            'Without the limit "a waiting time of at most 200 ms for 19 in 20 items", x',
        ),
        ("p99 first token <= 1.5 s", "a wait for the first word of at most 1.5 s for 99 in 100 items"),
        ("served rate >= 5/s", "at least 5 requests a second"),
        ("edge accuracy >= 40%", "at least 40% of hard inputs right"),
        ("flips <= 10%", "at most 10% of answers turned by small changes"),
        ("consistency >= 99%", "the same answer again to at least 99% of questions"),
    ],
)
def test_limits_are_said_in_words(given: str, wanted: str) -> None:
    assert plain(given) == wanted
