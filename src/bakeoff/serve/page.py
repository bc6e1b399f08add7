"""The page at `/`: how to ask this server, in lines that can be copied. One file, nothing fetched from elsewhere, and a script only for pictures."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from html import escape

from bakeoff.serve.asked_page import STYLE as FORM_STYLE
from bakeoff.serve.asked_page import Asked, form
from bakeoff.serve.observations import STYLE as OBSERVATION_STYLE
from bakeoff.serve.observations import Seen, forms
from bakeoff.serve.pictures import STYLE as PICTURE_STYLE
from bakeoff.serve.pictures import chooser, example_picture, script_policy
from bakeoff.serve.served import Served
from bakeoff.serve.settings import ServerSettings

EXAMPLE = "The battery died after two days."
_STYLE = (
    """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b636b; --paper: #fff; --line: #d5dade; --code: #f4f6f8; --mark: #0b5cad; --edge: #8a929a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a3abb3; --paper: #14171a; --line: #343a40; --code: #1e2226; --mark: #7ab8ff; --edge: #7b838b; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
       font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
pre { margin: .6rem 0; padding: .9rem 1rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: .5rem;
      font: .875rem/1.5 ui-monospace, monospace; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td:first-child { white-space: nowrap; }
a { color: var(--mark); } a:focus-visible, pre:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
@media (max-width: 36rem) {
  thead { position: absolute; clip-path: inset(50%); }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td { display: block; padding: 0; border: 0; }
}
"""
    + FORM_STYLE
)


def headers(served: Served, settings: ServerSettings) -> dict[str, str]:
    """Headers of the page. Its policy lets in its own style and, where pictures are chosen, its own script; nothing from elsewhere."""
    style = base64.b64encode(hashlib.sha256(_style(served).encode()).digest()).decode()
    more = script_policy() if can_choose(served, settings) else ""
    policy = f"default-src 'none'; style-src 'sha256-{style}'; {more}base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    return {"content-security-policy": policy, "referrer-policy": "no-referrer", "cache-control": "no-store"}


def _style(served: Served) -> str:
    return _STYLE + {"picture": PICTURE_STYLE, "observation": OBSERVATION_STYLE}.get(served.accepts, "")


_ROUTES = (
    (
        "POST /v1/answer",
        "items in, answers out: value, probabilities, seconds, abstained, error; from documents also the passages; an agent's value is its action",
    ),
    ("POST /v1/chat/completions", "OpenAI's chat interface, also streamed"),
    ("POST /v1/completions", "OpenAI's text interface, also streamed"),
    ("GET /v1/models", "what can be asked for"),
    ("GET /healthz", "200 while requests should be sent here, 503 otherwise"),
    ("GET /metrics", "counters for Prometheus"),
    ("GET /openapi.json", "all of this, for programs"),
)


def can_ask(served: Served, settings: ServerSettings) -> bool:
    """Whether the page has a form: there is an approach to ask, and no token that the browser would have to send."""
    return served.approach is not None and not settings.token_env and served.accepts not in ("picture", "observation")


def can_choose(served: Served, settings: ServerSettings) -> bool:
    """Whether the page lets a person choose a picture: as `can_ask`, for an approach to pictures."""
    return served.approach is not None and not settings.token_env and served.accepts == "picture"


def can_act(served: Served, settings: ServerSettings) -> bool:
    """Whether the page lets a person fill in an observation: as `can_ask`, for an agent."""
    return served.approach is not None and not settings.token_env and served.accepts == "observation"


def curl(served: Served, url: str, *, token_env: str = "") -> str:
    """A shell command that asks the server one thing."""
    header = f' \\\n  -H "Authorization: Bearer ${token_env}"' if token_env else ""
    path, body = "/v1/chat/completions", _chat(served)
    if served.approach is not None:
        asked = served.observed.example() if served.accepts == "observation" else example(served)
        path, body = "/v1/answer", {"items": [asked if served.accepts != "any" or _asks(served) else {"...": "..."}]}
    return f"curl {url}{path} -H 'Content-Type: application/json'{header} \\\n  -d {shlex.quote(json.dumps(body))}"


def example(served: Served) -> str:
    """What is asked in the examples, as a text: the approach's own `example`, where it has one; of an agent an observation, as JSON."""
    if served.accepts == "observation":
        return json.dumps(served.observed.example())
    return example_picture() if served.accepts == "picture" else str(getattr(served.approach, "example", EXAMPLE))


def _asks(served: Served) -> bool:
    return hasattr(served.approach, "example")


def _chat(served: Served) -> dict[str, object]:
    said = example(served) if served.approach is not None else "Say hello in one sentence."
    more: dict[str, object] = {} if served.approach is not None else {"max_tokens": 40, "temperature": 0}
    return {"model": next(iter(served.models)), "messages": [{"role": "user", "content": said}], **more}


def python(served: Served, url: str, *, token_env: str = "") -> str:
    """A Python program that asks the server one thing, with OpenAI's client."""
    key = f'os.environ["{token_env}"]' if token_env else '"none"'
    asked = _chat(served)
    settings = "".join(f", {name}={value!r}" for name, value in asked.items() if name not in ("model", "messages"))
    lines = [
        *(["import os", ""] if token_env else []),
        "from openai import OpenAI",
        "",
        f'client = OpenAI(base_url="{url}/v1", api_key={key})',
        "reply = client.chat.completions.create(",
        f"    model={json.dumps(asked['model'])}{settings},",
        f"    messages={json.dumps(asked['messages'])},",
        ")",
        "print(reply.choices[0].message.content)",
    ]
    return "\n".join(lines)


def page(served: Served, settings: ServerSettings, url: str, asked: Asked | Seen | None = None) -> str:
    """The page as HTML. Whatever the names, the question and the answer hold is shown as text.

    Without a token a person can ask here; with one they cannot, for a browser sends none by itself.
    """
    kinds = {"approach": "answers items; its chat replies with the answer", "language_model": "generates text"}
    models = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{kinds[kind]}</td></tr>" for name, kind in served.models.items()
    )
    shown = [row for row in _ROUTES if served.approach is not None or row[0] != "POST /v1/answer"]
    routes = "".join(f"<tr><td><code>{name}</code></td><td>{says}</td></tr>" for name, says in shown)
    limits = (
        f"A request may hold {settings.max_body_bytes:,} bytes and {settings.max_queue:,} items, and take {settings.request_seconds:g} s. "
        f"Items that arrive within {settings.window_ms:g} ms are computed together, at most {settings.max_batch}. "
        f"When {settings.max_queue:,} items wait, more are refused with 429 and a Retry-After."
    )
    token = settings.token_env
    key = (
        f"<p>Every request needs the token of <code>{escape(token)}</code>; <code>/healthz</code> needs none.</p>"
        if token
        else ""
    )
    asking = ""
    if can_ask(served, settings):
        asking = f"<h2>Ask it here</h2>{form(asked if isinstance(asked, Asked) else None)}"
    if can_act(served, settings):
        asking = f"<h2>Ask it here</h2>{forms(served.observed, asked if isinstance(asked, Seen) else None)}"
    if can_choose(served, settings):
        asking = f"<h2>Ask it here</h2>{chooser(settings.max_body_bytes)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(served.name)} · Bakeoff server</title><style>{_style(served)}</style></head>
<body><main>
<h1>{escape(served.name)}</h1>
<p class="soft">Served by Bakeoff at <code>{escape(url)}</code></p>
{asking}
<h2>Ask it from a shell</h2>
<pre tabindex="0" aria-label="curl command">{escape(curl(served, url, token_env=token))}</pre>
<h2>Ask it from Python</h2>
<pre tabindex="0" aria-label="Python program">{escape(python(served, url, token_env=token))}</pre>
{key}
<h2>Models</h2>
<table><thead><tr><th scope="col">Id</th><th scope="col">What it does</th></tr></thead><tbody>{models}</tbody></table>
<h2>Routes</h2>
<table><thead><tr><th scope="col">Route</th><th scope="col">What it gives</th></tr></thead><tbody>{routes}</tbody></table>
<h2>Limits</h2>
<p>{limits}</p>
<p><a href="/openapi.json">OpenAPI document</a> · <a href="/metrics">metrics</a> · <a href="/healthz">health</a></p>
</main></body></html>
"""
