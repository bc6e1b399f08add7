"""The verifier, case by case: what counts as the same statement, and what an attacker would try."""

from __future__ import annotations

import itertools

import adversarial_base
import pytest
from adversarial_base import TableSpec, page_of_blocks
from attacks_by_hand import ATTACKS, FALSE_ROWS, TRUE_ROWS

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Page, Span
from bakeoff.tasks.documents.reply.evidence import Quote, whole_sentences
from bakeoff.tasks.documents.reply.verify import REASONS, Verdict, verify
from bakeoff.tasks.documents.reply.verify_facts import tokens_of

PAGES = adversarial_base.pages()


def page_of(document: str, number: int) -> Page:
    if (document, number) not in PAGES:
        raise BadData("no such page")
    return PAGES[document, number]


def stands(document: str, words: str) -> Quote:
    """A quote of words, wherever they stand in a document of the base."""
    for (name, number), page in PAGES.items():
        if name == document and words in " ".join(page.text.split()):
            return Quote(document, number, words)
    raise AssertionError(f"{words!r} is not in {document}")


def said(statement: str, *blocks: tuple[str, str] | TableSpec, quote: str | None = None, **how: object) -> Verdict:
    """The verdict on a statement that quotes a page made of blocks: all of it, or `quote`."""
    page = page_of_blocks(1, blocks)
    spans = () if quote is not None else tuple(block.span for block in page.blocks)
    words = quote if quote is not None else " ".join(" ".join(page.text[span.start : span.end].split()) for span in spans)
    return verify(statement, [Quote("a.pdf", 1, words, spans)], lambda document, number: page, **how)


def text(statement: str, words: str, **how: object) -> Verdict:
    return said(statement, ("paragraph", words), **how)


# What means the same


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("Sales rose to $5,400 million.", "Sales rose to $5.4 billion."),
        ("Sales rose to $5,400,000,000.", "Sales rose to $5.4 billion."),
        ("Sales rose to $5.4bn.", "Sales rose to $5.4 billion."),
        ("Sales rose to 5.4 billion US dollars.", "Sales rose to US$5.4 billion."),
        ("Sales rose to $5.4 billion.", "Sales rose to US$5.4 billion."),
        ("The rate is 5 percent.", "The rate is 5%."),
        ("The rate is 5 per cent.", "The rate is five percent."),
        ("It takes 12 months.", "It takes twelve months."),
        ("A 12-month term applies.", "A twelve-month term applies."),
        ("It covers 250,000 units.", "It covers two hundred fifty thousand units."),
        ("The notice period is 30 days.", "The notice period is thirty (30) days."),
        ("The notice period is thirty days.", "The notice period is thirty (30) days."),
        ("It ends on 2022-12-31.", "It ends on December 31, 2022."),
        ("It ends on 31 December 2022.", "It ends on Dec. 31, 2022."),
        (
            "It ends on 12/31/2022.",
            "It ends on the 31st of December, 2022.".replace("the 31st of December, 2022", "31st of December 2022"),
        ),
        ("Profit fell in FY2022.", "Profit fell in fiscal year 2022."),
        ("Profit fell in Q4 2022.", "Profit fell in the fourth quarter of 2022.".replace("the fourth", "fourth")),
        ("The tenant doesn't pay rent.", "The tenant does not pay rent."),
        ("The tenant can't sublet.", "The tenant cannot sublet."),
        ("It's the tenant’s duty.", "It’s the tenant's duty."),
        ("The “Company” agreed.", 'The "Company" agreed.'),
        ("A long‑term lease was signed.", "A long-term lease was signed."),
        ("Values of 12 to 15% are normal.", "Values of 12–15% are normal."),
        ("The landlord may enter.", "However, the landlord may enter."),
        ("Costs fell 3%.", "In addition, costs fell 3%."),
        ("Net sales increased 5%.", "Net sales increased 5%, primarily due to higher prices."),
        ("The company (the buyer) agreed.".replace(" (the buyer)", ""), 'The company (the "Buyer") agreed.'),
        ("The ministry of public works approved it.", "The ministry of public works (MPW) approved it."),
        ("Write-downs were $48 million.", "Write-downs (see Note 4) were $48 million."),
        ("Sales rose 5% in 2022.", "In 2022, sales rose 5%."),
        ("In 2022, sales rose 5%.", "Sales rose 5% in 2022."),
        ("In fiscal 2022 sales rose 5%.", "Sales rose 5% in fiscal 2022."),
        ("Cash was $4 million as of June 30, 2022.", "As of June 30, 2022, cash was $4 million."),
        ("Sales\nrose  5%", "Sales rose 5%."),
        ("The ﬁrm sold its oﬃce.", "The firm sold its office."),
        ("The U.S. market grew.", "The US market grew."),
    ],
)
def test_other_spellings_of_the_same_are_kept(statement, words):
    assert text(statement, words) == Verdict(True, "ok")


@pytest.mark.parametrize(
    ("statement", "words", "reasons"), ATTACKS, ids=[f"{at}: {each[0][:40]}" for at, each in enumerate(ATTACKS)]
)
def test_attacks_on_sentences_are_refused(statement, words, reasons):
    verdict = text(statement, words)
    assert not verdict.accepted
    assert verdict.reason in reasons


def test_every_reason_is_explained():
    assert set(REASONS) >= {reason for _, _, reasons in ATTACKS for reason in reasons}
    assert all(REASONS.values())


# Quotes


def test_a_quote_must_stand_on_its_own_page():
    rent = "The rent increases by 3% on each anniversary of the commencement date."
    quote = stands("lease.pdf", rent)
    assert verify(rent, [quote], page_of)
    for number in range(1, 5):
        if number != quote.page:
            assert verify(rent, [Quote("lease.pdf", number, rent)], page_of).reason == "quote_not_found"
    assert verify(rent, [Quote("filing.pdf", quote.page, rent)], page_of).reason == "quote_not_found"
    assert verify(rent, [Quote("lease.pdf", 99, rent)], page_of).reason == "quote_not_found"
    assert verify(rent, [], page_of).reason == "no_quote"


@pytest.mark.parametrize(
    "altered",
    [
        "The rent increases by 8% on each anniversary",
        "The rent increases  by 3% on each anniversaryy",
        "the rent increases by 3%",
        "The rent increases by 3 %",
        "The rent incr eases by 3%",
    ],
)
def test_a_quote_that_is_a_character_off_is_no_quote(altered):
    rent = "The rent increases by 3% on each anniversary of the commencement date."
    place = stands("lease.pdf", rent)
    assert verify(rent, [Quote("lease.pdf", place.page, altered)], page_of).reason == "quote_not_found"


def test_one_bad_quote_refuses_the_statement():
    rent = "The rent increases by 3% on each anniversary of the commencement date."
    good = stands("lease.pdf", rent)
    assert verify(rent, [good, Quote("lease.pdf", good.page, "The rent falls.")], page_of).reason == "quote_not_found"


def test_white_space_of_a_quote_may_differ():
    rent = "The rent increases by 3% on each anniversary of the commencement date."
    good = stands("lease.pdf", rent)
    assert verify(rent, [Quote("lease.pdf", good.page, rent.replace(" ", "\n", 3))], page_of)


def test_spans_of_a_quote_must_hold_its_words():
    page = page_of_blocks(1, [("paragraph", "Sales rose 5%. Costs fell 3%.")])

    def one(document: str, number: int) -> Page:
        return page

    assert verify("Sales rose 5%.", [Quote("a", 1, "Sales rose 5%.", (Span(0, 14),))], one)
    for spans in [(Span(15, 29),), (Span(0, 13),), (Span(0, 999),), (Span(-3, 14),), (Span(5, 5),)]:
        assert verify("Sales rose 5%.", [Quote("a", 1, "Sales rose 5%.", spans)], one).reason == "quote_not_found"


def test_a_quote_cut_out_of_its_sentence_is_read_with_the_whole_sentence():
    words = "The Tenant shall not sublet the Premises without consent."
    assert text("Sublet the Premises.", words, quote="sublet the Premises").reason == "negation"
    assert (
        text("The Tenant shall not sublet the Premises.", words, quote="The Tenant shall not sublet the Premises").reason
        == "negation"
    )


def test_what_the_quote_leaves_out_cannot_be_stated():
    words = "The fee is 5% of the price. It is due in May."
    assert text("The fee is 5% of the price.", words, quote="The fee is 5%").reason == "not_in_quote"
    assert text("The fee is 5% of the price.", words, quote="The fee is 5% of the price.")


# Sentences that do not stand alone


LIST = (
    ("paragraph", "The tenant shall not:"),
    ("list", "(a) keep animals;"),
    ("list", "(b) change the locks; or"),
    ("list", "(c) smoke."),
)


def test_an_item_of_a_list_needs_the_words_that_introduce_it():
    for item in ("(a) keep animals;", "(b) change the locks; or", "(c) smoke."):
        assert said(item, *LIST).reason in ("out_of_context", "stitched", "left_out", "negation")
        assert said(f"The tenant shall not: {item}", *LIST)
    assert said("The tenant shall not change the locks.", *LIST)
    assert said("The tenant shall not smoke.", *LIST)
    assert not said("The tenant shall smoke.", *LIST)
    assert not said("Smoke.", *LIST)
    assert not said("The tenant shall not: (a) change the locks; or", *LIST)


def test_a_heading_can_introduce_a_list():
    assert not said("Keep animals.", ("heading", "Tenants must not:"), ("list", "• Keep animals."))
    assert said("Keep animals.", ("heading", "House rules"), ("list", "• Keep animals."), quote="Keep animals.")
    assert said("• Keep animals.", ("heading", "House rules"), ("list", "• Keep animals."))


def test_an_item_whose_beginning_is_nowhere_supports_nothing():
    assert not said("keep animals in the house.", ("heading", "Rules"), ("list", "(d) keep animals in the house."))
    assert not said("(d) keep animals in the house.", ("heading", "Rules"), ("list", "(d) keep animals in the house."))


def test_a_sentence_that_breaks_off_supports_nothing():
    assert not said(
        "The company did not pay dividends to", ("paragraph", "The company did not pay dividends to"), ("heading", "Acme")
    )


def test_a_sentence_over_a_page_break_is_one_sentence():
    pages = {
        1: page_of_blocks(1, [("paragraph", "Sales rose. The company did not")]),
        2: page_of_blocks(2, [("header", "Annual report"), ("paragraph", "pay dividends in 2022. Costs fell.")]),
    }

    def of(document: str, number: int) -> Page:
        if number not in pages:
            raise BadData("none")
        return pages[number]

    first, second = Quote("a", 1, "The company did not"), Quote("a", 2, "pay dividends in 2022.")
    assert not verify("Pay dividends in 2022.", [second], of)
    assert not verify("pay dividends in 2022.", [second], of)
    assert verify("The company did not pay dividends in 2022.", [first], of).reason == "not_in_quote"
    assert verify("The company did not pay dividends in 2022.", [first, second], of)
    assert verify("Costs fell.", [Quote("a", 2, "Costs fell.")], of)
    assert verify("Sales rose.", [Quote("a", 1, "Sales rose.")], of)


def test_sentences_are_rather_joined_than_cut():
    for words in (
        "He met Smith v. Jones today.",
        'She said: "No. We do not." Then she left.',
        "The (A. Smith. B. Jones) case ended.",
    ):
        assert whole_sentences(words)[0].end >= len(words.split(" Then")[0]) - 1
    assert len(whole_sentences('Costs fell. Sales rose. A 5" pipe broke. It was old.')) == 4


# Several places


def test_parts_of_two_places_make_no_statement():
    quotes = [
        stands("filing.pdf", "Walden Stores is the largest customer of the North America segment."),
        stands("filing.pdf", "The acquisition of Tallow Creek Foods closed on April 4, 2022."),
    ]
    assert verify("The acquisition of Walden Stores closed on April 4, 2022.", quotes, page_of).reason == "stitched"
    assert (
        verify("Tallow Creek Foods is the largest customer of the North America segment.", quotes, page_of).reason == "stitched"
    )


def test_whole_sentences_of_one_document_may_stand_together():
    one, other = (
        "Walden Stores is the largest customer of the North America segment.",
        "The acquisition of Tallow Creek Foods closed on April 4, 2022.",
    )
    assert verify(f"{one} {other}", [stands("filing.pdf", one), stands("filing.pdf", other)], page_of)
    elsewhere = "The rent increases by 3% on each anniversary of the commencement date."
    assert verify(f"{one} {elsewhere}", [stands("filing.pdf", one), stands("lease.pdf", elsewhere)], page_of).reason == "stitched"


def test_a_sentence_that_points_back_stays_with_the_one_it_points_to():
    page = page_of_blocks(
        1, [("paragraph", "Beta was sued in 2019. The case is open. Acme was audited. It paid a fine of $5 million.")]
    )

    def one(document: str, number: int) -> Page:
        return page

    quotes = [Quote("a", 1, "Beta was sued in 2019."), Quote("a", 1, "It paid a fine of $5 million.")]
    assert verify("Beta was sued in 2019. It paid a fine of $5 million.", quotes, one).reason == "stitched"
    assert verify(
        "Acme was audited. It paid a fine of $5 million.", [Quote("a", 1, "Acme was audited. It paid a fine of $5 million.")], one
    )


# Rows

INCOME = TableSpec("Income", "USD million", (("", "2022", "2021"), ("Net revenue", "86,392", "79,474"), ("Interest expense", "(939)", "(1,863)"), ("Europe",), ("Snacks, net of tax", "7,012", "6,944")))  # fmt: skip


@pytest.mark.parametrize("statement", TRUE_ROWS)
def test_a_row_may_be_worded_as_a_sentence(statement):
    assert said(statement, ("caption", "Income"), INCOME) == Verdict(True, "ok")


@pytest.mark.parametrize("statement", FALSE_ROWS)
def test_a_row_says_nothing_else(statement):
    assert not said(statement, ("caption", "Income"), INCOME)


def test_only_quoted_cells_count():
    page = page_of_blocks(1, [("caption", "Income"), INCOME])
    cells = {
        page.text[cell.span.start : cell.span.end]: cell.span for cell in page.tables[0].cells if cell.span.end > cell.span.start
    }

    def check(statement: str, *words: str) -> Verdict:
        quote = Quote("a", 1, " ".join(words), tuple(cells[word] for word in words))
        return verify(statement, [quote], lambda document, number: page)

    assert check("Net revenue was $86,392 million in 2022.", "2022", "Net revenue", "86,392")
    assert not check("Net revenue was $86,392 million in 2022.", "Net revenue", "86,392")
    assert not check("Net revenue was $86,392 million in 2022.", "2022", "86,392")
    assert not check("Net revenue was $86,392 million in 2022.", "2022", "2021", "Net revenue", "79,474")
    assert not check("Net revenue was $86,392 million in 2022.", "2022", "Net revenue")


def test_headers_of_a_table_that_goes_on_come_from_the_page_before():
    first = page_of_blocks(
        1,
        [("caption", "Income"), TableSpec("Income", "USD million", (("", "2022", "2021"), ("Net revenue", "86,392", "79,474")))],
    )
    second = page_of_blocks(2, [TableSpec("", "USD million", (("Goodwill", "18,202", "18,381"),))])
    table = second.tables[0]
    cells = tuple(type(cell)(cell.row, cell.column, cell.span, cell.box, header=cell.column == 0) for cell in table.cells)
    table = type(table)(table.span, table.box, table.rows, table.columns, cells, None, "USD million", continues=True)
    second = Page(2, 612.0, 792.0, second.text, second.boxes, second.blocks, (table,))

    def of(document: str, number: int) -> Page:
        return {1: first, 2: second}[number]

    quote = Quote("a", 2, "Goodwill 18,202 18,381")
    assert verify("Goodwill was $18,202 million in 2022.", [quote], of)
    assert not verify("Goodwill was $18,202 million in 2021.", [quote], of)


def test_two_columns_under_one_header_are_no_evidence():
    spec = TableSpec("Income", "", (("", "2022", "2022"), ("Net income", "$1,242", "12.2%")))
    assert not said("Net income was 12.2% in 2022.", ("caption", "Income"), spec)
    assert said("Net income $1,242 12.2%", ("caption", "Income"), spec)


# Gates and limits


def test_an_entailment_model_can_refuse_and_never_lets_in():
    asked = []

    def entails(premise: str, hypothesis: str) -> float:
        asked.append((premise, hypothesis))
        return 0.2

    assert text("Sales rose 5%.", "Sales rose 5%.", entails=entails).reason == "not_entailed"
    assert asked == [("Sales rose 5%.", "Sales rose 5%.")]
    assert text("Sales rose 5%.", "Sales rose 5%.", entails=lambda premise, hypothesis: float("nan")).reason == "not_entailed"
    assert text("Sales rose 6%.", "Sales rose 5%.", entails=lambda premise, hypothesis: 1.0).reason == "number"
    assert text("Sales rose 5%.", "Sales rose 5%.", entails=lambda premise, hypothesis: 0.9)


@pytest.mark.parametrize("statement", ["", "   ", "...", "\n\n", "—"])
def test_nothing_is_no_statement(statement):
    assert text(statement, "Sales rose 5%.").reason == "empty"


def test_hostile_sizes_end_quickly():
    long = "Sales rose 5%. " * 3000
    page = page_of_blocks(1, [("paragraph", long.strip())])

    def one(document: str, number: int) -> Page:
        return page

    assert verify(long, [Quote("a", 1, long)], one).reason == "too_long"
    assert verify("Sales rose 5%.", [Quote("a", 1, long.strip())], one).reason == "quote_not_found"
    assert verify("Sales rose 5%.", [Quote("a", 1, "Sales rose 5%.")], one)
    assert verify("Sales rose 5%.", [Quote("a", 1, "Sales rose 5%.")] * 31, one).reason == "no_quote"
    assert not verify("((((" * 900 + "x", [Quote("a", 1, "Sales rose 5%.")], one)
    wide = TableSpec("T", "", (("", *(f"c{n}" for n in range(60))), ("row", *("1" for _ in range(60)))))
    assert not said("row " + "1 " * 200, wide)


def test_reading_never_fails_and_covers_what_it_reads():
    for words in (
        "",
        "٣٤",
        "$",
        "-",
        "12,34,56",
        "1.2.3.4.",
        "…",
        "1" * 90,
        "FY",
        "Q5 2022",
        "31 February 2022",
        "(((",
        "a'b'c'",
        "\ud800",
        "½",
        "x" * 50_000,
    ):
        tokens = tokens_of(words)
        assert all(0 <= token.start < token.end <= len(words) for token in tokens)
        assert all(one.end <= other.start for one, other in itertools.pairwise(tokens))
