"""The part of the page at `/` where a person asks: a form, and the answer to what was asked, both without a script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from bakeoff.contract import Answer

LONGEST_ASKED = 4000
"""Characters of a text that the form takes: it travels in the address of the page."""

LONGEST_SHOWN = 1500
"""Characters of one passage that are shown."""

STYLE = """
form { display: flex; gap: .6rem; margin: .6rem 0 0; flex-wrap: wrap; }
input, button { font: inherit; padding: .55rem .8rem; border: 1px solid var(--edge); border-radius: .5rem; color: inherit; background: var(--paper); }
input { flex: 1 1 16rem; min-width: 0; } button { background: var(--mark); border-color: var(--mark); color: var(--paper); font-weight: 600; cursor: pointer; }
input:focus-visible, button:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.reply { margin: 1.2rem 0 0; padding: .2rem 0 .2rem 1.1rem; border-left: 3px solid var(--mark); overflow-wrap: anywhere; }
.reply p { margin: .3rem 0; } .reply ol { margin: .8rem 0 0; padding-left: 1.3rem; } .reply li { margin: 0 0 1rem; }
.reply .words { white-space: pre-line; }
"""


class Asked(NamedTuple):
    """What was asked by the form, and what came of it: an answer, or a sentence that says why there is none."""

    text: str
    answer: Answer | None = None
    problem: str = ""


def form(asked: Asked | None) -> str:
    """The form with what was asked in it, and the answer below. Whatever they hold is shown as text."""
    text = escape(asked.text) if asked else ""
    made = (
        f'<form method="get" action="/"><input name="ask" aria-label="What to ask" required maxlength="{LONGEST_ASKED}" '
        f'value="{text}" placeholder="Your question or text" autocomplete="off"><button>Ask</button></form>'
    )
    return made if asked is None else f'{made}<div class="reply" role="status">{_answered(asked)}</div>'


def _answered(asked: Asked) -> str:
    answer = asked.answer
    if answer is None or answer.error is not None:
        return f"<p><strong>No answer.</strong> {escape(asked.problem or (answer.error if answer else '') or '')}</p>"
    passages = answer.details.get("passages")
    made = []
    if answer.abstained:
        if passages is None:
            made.append("<p><strong>It declined to answer.</strong></p>")
        else:
            near = "No passage supports an answer. These stand nearest to the question:" if passages else "Nothing is near it."
            made.append(f"<p><strong>Not in the corpus.</strong> {near}</p>{_listed(passages)}")
    elif isinstance(answer.value, Mapping) and isinstance(answer.value.get("statements"), list):
        made += [_statement(each) for each in answer.value["statements"] if isinstance(each, Mapping)]
    else:
        shown = answer.value if isinstance(answer.value, str) else json.dumps(answer.value, ensure_ascii=False, indent=1)
        made.append(f'<p class="words">{escape(shown)}</p>')
        if answer.probabilities:
            best = max(answer.probabilities.values())
            made.append(f'<p class="soft">probability {best:.2f}</p>')
    return "".join([*made, _wording(answer.details.get("wording"))])


def _statement(statement: Mapping[str, Any]) -> str:
    places = dict.fromkeys(
        f"{each.get('document')}, page {each.get('page')}" for each in statement.get("citations", ()) if isinstance(each, Mapping)
    )
    return f'<p class="words">{escape(str(statement.get("text", "")))}</p><p class="soft">{escape("; ".join(places))}</p>'


def _listed(passages: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for each in passages:
        words = each["text"] if len(each["text"]) <= LONGEST_SHOWN else each["text"][: LONGEST_SHOWN - 4].rstrip() + " ..."
        where = f"{'page' if len(each['pages']) == 1 else 'pages'} {', '.join(str(page) for page in each['pages'])}"
        rows.append(
            f'<li><strong>{escape(each["document"])}</strong>, {where} <span class="soft">score {each["score"]:.3f}</span>'
            f'<p class="words">{escape(words)}</p></li>'
        )
    return f"<ol>{''.join(rows)}</ol>" if rows else ""


def _wording(wording: Mapping[str, Any] | None) -> str:
    from bakeoff.tasks.documents.reply_json import wording_said

    said = wording_said(wording)
    return f'<p class="soft">{escape(said)}</p>' if said else ""
