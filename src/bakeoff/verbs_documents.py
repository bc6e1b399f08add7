"""Index a folder of PDFs and ask it: the Python behind `bakeoff index` and `bakeoff ask`.

>>> from bakeoff import ask, index_folder
>>> index_folder("filings")                              # doctest: +SKIP
>>> reply = ask("filings", "What was revenue in 2022?")   # doctest: +SKIP
>>> reply.statements[0].citations[0].page                 # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.contract import Progress, quiet
from bakeoff.errors import BadData, needs

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus, IndexReport
    from bakeoff.tasks.documents.records import Reply, Scope, Statement

LARGEST_ACCESS_FILE = 1_000_000
LARGEST_LINE = 100_000


def index_folder(
    folder: str | Path,
    *,
    store: str = "",
    embedder: str = "minilm-int8",
    chunks: Mapping[str, int] | None = None,
    ocr: Literal["auto", "never", "always"] | str = "auto",
    password: str | None = None,
    access: str | Path | Mapping[str, Sequence[str]] | None = None,
    progress: Progress = quiet,
) -> IndexReport:
    """Bring the index of a folder of PDFs up to date.

    Parameters
    ----------
    folder : path
    store : str, default=''
        Where the index is kept: a folder, or ``postgresql://...``; '' for ``.bakeoff`` inside `folder`.
    embedder : str
        For a new index: a catalogue name, ``hub:org/name``, a folder, ``endpoint:URL#model``, or '' for words alone.
    chunks : mapping or None
        For a new index, how long the passages are: any of ``tokens`` (210), ``overlap`` (40) and ``least`` (60), see
        `bakeoff.tasks.documents.index.chunk_settings.ChunkSettings`. They are kept with the index; others are refused later.
    ocr : {'auto', 'never', 'always'}
    password : str or None
        For encrypted files.
    access : path, mapping or None
        Pattern of document names to the principals who may read them (``["*"]`` for everybody), first match counts; a YAML file of
        that shape, or the mapping itself. None leaves access as it is.
    progress : Progress

    Raises
    ------
    BakeoffError
        For a folder, store, model or access file that cannot be used. Single files that cannot be read are in the report.
    """
    from bakeoff.tasks.documents.corpus import FOLDER, Corpus, read_access
    from bakeoff.tasks.documents.index.chunk_settings import agree

    _needs()
    rules = None if access is None else read_access(_access(access))
    if ocr not in ("auto", "never", "always"):
        raise BadData(f"ocr is {ocr!r}.", fix="use auto, never or always")
    with Corpus.create(Path(folder), embedder=embedder, store=store) as corpus:
        where = "that store" if store else Path(folder) / FOLDER
        agree(corpus.store, chunks or {}, fix=f"leave the chunk settings out, or delete {where} and index again")
        return corpus.index(password=password, ocr=ocr, readers=rules, progress=progress)


def open_corpus(folder: str | Path, *, store: str = "") -> Corpus:
    """The corpus of an indexed folder, for many questions; close it, or use it in a ``with`` block."""
    from bakeoff.tasks.documents.corpus import Corpus

    _needs()
    return Corpus.open(Path(folder), store=store)


def remove_document(folder: str | Path, name: str, *, store: str = "") -> bool:
    """Take one document out of an index, and its bytes out of every file. False where there is none of that name."""
    with open_corpus(folder, store=store) as corpus:
        return corpus.remove(name)


def ask(
    folder: str | Path,
    question: str,
    *,
    store: str = "",
    principals: Iterable[str] | None = None,
    model: str = "",
    passages: int = 10,
    statements: int = 4,
    threshold: float | None = None,
    on_statement: Callable[[Statement], None] | None = None,
) -> Reply:
    """Ask an indexed folder one question.

    Parameters
    ----------
    folder : path
    question : str
    store : str
        As for `index_folder`.
    principals : iterable of str or None
        Who asks: a user and the groups they are in. None asks as the owner, who may read everything.
    model : str, default=''
        A language model that words the answer from the passages (a catalogue name, ``hub:``, a ``.gguf`` file, or
        ``endpoint:URL#model``); '' quotes the documents themselves.
    passages, statements : int
        How many passages are found, and how many statements are given at most.
    threshold : float or None
        Support below which it abstains; None takes the corpus' own.
    on_statement : callable or None
        Called with each statement as soon as it is verified.
    """
    with open_corpus(folder, store=store) as corpus:
        return ask_corpus(
            corpus, question, scope=scope_of(principals), model=open_chat_model(model),
            passages=passages, statements=statements, threshold=threshold, on_statement=on_statement,
        )  # fmt: skip


def ask_corpus(corpus: Corpus, question: str, *, on_statement: Callable[[Statement], None] | None = None, **how: Any) -> Reply:
    """Ask an open corpus; `how` is passed on to `Corpus.ask_streaming`."""
    from bakeoff.tasks.documents.records import Reply

    for each in corpus.ask_streaming(question, **how):
        if isinstance(each, Reply):
            return each
        if on_statement is not None:
            on_statement(each)
    raise RuntimeError("the corpus gave no reply")


def scope_of(principals: Iterable[str] | None) -> Scope:
    """What somebody may read: None is the owner, who may read everything."""
    from bakeoff.tasks.documents.records import EVERYTHING, Scope

    return EVERYTHING if principals is None else Scope(principals=frozenset(principals))


def open_chat_model(model: str) -> Any:
    """A language model to word answers with, or None for ''."""
    if not model:
        return None
    from bakeoff.tasks.documents.reply.chat_model import open_chat

    return open_chat(model)


def read_batch(path: Path) -> Iterator[tuple[str, str]]:
    """(id, question) of each line of a JSON-lines file. Objects need ``question`` and may have ``id``; a bare JSON string is a question.

    Raises
    ------
    BadData
        Naming the line.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                if len(line) > LARGEST_LINE:
                    raise BadData(f"{where} has more than {LARGEST_LINE:,} characters.", fix="one question per line")
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    why = f" ({error.msg}, at character {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
                    raise BadData(f"{where} is no JSON{why}.", fix='write {"question": "..."} on each line') from error
                question = record if isinstance(record, str) else record.get("question") if isinstance(record, dict) else None
                if not isinstance(question, str) or not question.strip():
                    raise BadData(f"{where} has no question.", fix='write {"question": "..."} on each line')
                name = record.get("id") if isinstance(record, dict) else None
                yield (str(name) if name is not None else str(number)), question
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read: {error}.", fix="give a UTF-8 file with one JSON object per line") from error


def write_page(corpus: Corpus, question: str, reply: Reply, path: Path | None = None, *, scope: Scope | None = None) -> Path:
    """Write the page of a reply: its statements beside pictures of the cited pages, the quoted words marked.

    Parameters
    ----------
    corpus : Corpus
        Where it was asked; the pictures are drawn from its PDF files. A page whose file has changed since is shown by its words alone.
    question : str
    reply : Reply
    path : Path or None
        None writes a file in a new temporary folder.
    scope : Scope or None
        As asked; nothing out of it is drawn.
    """
    import tempfile

    from bakeoff.report.answer_page import FigurePicture, PagePicture, answer_page, cited_boxes, cited_pages
    from bakeoff.tasks.documents.pictures import picture_of
    from bakeoff.tasks.documents.records import EVERYTHING
    from bakeoff.tasks.documents.reply_json import reply_json

    record = reply_json(question, reply)
    drawn = [
        picture_of(corpus, document, page, scope or EVERYTHING, cited_boxes(record, document, page))
        for document, page in cited_pages(record)
    ]
    pictures = [PagePicture(*each[:5], tuple(FigurePicture(*figure) for figure in each.figures)) for each in drawn]
    made = answer_page(record, pictures, corpus=corpus.folder.resolve().name if corpus.folder else "")
    to = path or Path(tempfile.mkdtemp(prefix="bakeoff-answer-")) / "answer.html"
    to.write_text(made, encoding="utf-8")
    return to


def _access(given: str | Path | Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    import yaml

    rules: Any = given
    if isinstance(given, str | Path):
        try:
            if Path(given).stat().st_size > LARGEST_ACCESS_FILE:
                raise BadData(
                    f"{given} is larger than {LARGEST_ACCESS_FILE:,} bytes: this is no access file.",
                    fix="give a YAML file of patterns",
                )
            rules = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadData(f"{given} cannot be read: {error}.", fix="write lines like  contracts/*.pdf: [legal, alice]") from error
    fine = isinstance(rules, Mapping) and all(
        isinstance(pattern, str) and isinstance(who, list | tuple) and all(isinstance(one, str) for one in who)
        for pattern, who in rules.items()
    )
    if not fine:
        raise BadData(
            "Access rules are patterns of names, each with a list of who may read.",
            fix="write lines like  contracts/*.pdf: [legal, alice]",
        )
    return dict(rules)


def _needs() -> None:
    needs("pypdfium2", "pikepdf", "snowballstemmer", "onnxruntime", "tokenizers", extra="documents", why="A corpus of PDFs")
