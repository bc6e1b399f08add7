"""A folder of PDFs that can be asked: what `bakeoff index` makes and `bakeoff ask` reads.

>>> corpus = Corpus.create(Path("filings"))          # doctest: +SKIP
>>> corpus.index()                                    # doctest: +SKIP
>>> corpus.ask("What was revenue in 2022?").statements  # doctest: +SKIP

The index lies in ``.bakeoff`` inside the folder (or where `store` says) and holds everything an answer needs but the page pictures,
which are drawn from the PDF files. One document is added, replaced or removed in one transaction: killed anywhere, the corpus
is as before or as after.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.contract import Progress, quiet
from bakeoff.errors import BadData, BakeoffError
from bakeoff.tasks.documents.records import EVERYTHING, DocumentFacts, Page, Reply, Scope, Statement

if TYPE_CHECKING:
    from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever
    from bakeoff.tasks.documents.index.embed import Embedder
    from bakeoff.tasks.documents.reading.limits import Limits
    from bakeoff.tasks.documents.reply.support import SupportModel
    from bakeoff.tasks.documents.store import Store

FOLDER = ".bakeoff"
READER = "2"
"""Version of how pages are read and cut into chunks. Documents indexed by another version are read again."""

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be indexed. The corpus is as if it were not there."""

    name: str
    what: str
    fix: str


@dataclass
class IndexReport:
    """What one run of `Corpus.index` did, document by document.

    `copies` are groups of documents that say the same, or nearly, of the whole corpus. `seconds` has one entry per step: ``read`` (parsing, in its own process), ``chunk``, ``embed``, ``store``.
    """

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    copies: list[tuple[str, ...]] = field(default_factory=list)
    pages: int = 0
    chunks: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def took(self, step: str, started: float) -> None:
        """Add the time since `started` (of `time.perf_counter`) to a step."""
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Source:
    """A PDF file to index: `name` is its path relative to the folder, with forward slashes."""

    name: str
    path: Path


class Corpus:
    """Documents, found and asked. Not for use by two threads at once; by several processes it is.

    Parameters
    ----------
    store : Store
    folder : Path or None
        Where the PDF files lie; None for a corpus without files (its pages cannot be drawn).
    embedder : str
        What chunks are embedded with: see `embed.open_embedder`; '' for a corpus that is searched by words alone. A corpus keeps the
        one that it was made with.
    settings : RetrievalSettings or None
    """

    def __init__(
        self, store: Store, *, folder: Path | None = None, embedder: str = "", settings: RetrievalSettings | None = None
    ) -> None:
        self.store = store
        self.folder = folder
        self._embedder_name = store.settings().get("embedder", embedder)
        self._embedder: Embedder | None = None
        self._settings = settings
        self._retriever: Retriever | None = None

    @classmethod
    def create(cls, folder: Path, *, embedder: str = "minilm-int8", store: str = "") -> Corpus:
        """The corpus of a folder of PDFs, made if there is none yet.

        Parameters
        ----------
        folder : Path
        embedder : str
            For a new corpus.
        store : str, default=''
            Where the index is kept: a folder, or ``postgresql://...``; '' for ``.bakeoff`` inside `folder`.

        Raises
        ------
        BadData
            If there is no such folder, or the corpus was made with another embedder.
        """
        if not folder.is_dir():
            raise BadData(f"There is no folder {folder}.", fix="give the folder that holds the PDF files")
        opened = open_store(store or str(folder / FOLDER), create=True)
        kept = opened.settings().get("embedder")
        if kept is None:
            opened.set_settings({"embedder": embedder, "reader": READER})
        elif kept != embedder:
            opened.close()
            raise BadData(
                f"The corpus of {folder} was made with the embedder {kept!r}, not {embedder!r}.",
                # The address of a store may hold a password: it is not repeated.
                fix=f"leave the embedder out, or delete {'that store' if store else folder / FOLDER} and index again",
            )
        return cls(opened, folder=folder)

    @classmethod
    def open(cls, folder: Path, *, store: str = "", settings: RetrievalSettings | None = None) -> Corpus:
        """The corpus of a folder that has been indexed. Raises BadData where it has not."""
        where = store or str(folder / FOLDER)
        if "://" not in where and not Path(where).is_dir():
            raise BadData(f"{folder} has not been indexed.", fix=f"bakeoff index {folder}")
        return cls(open_store(where), folder=folder, settings=settings)

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    @property
    def embedder(self) -> Embedder | None:
        """The embedding model, loaded when it is first needed; None for a corpus searched by words alone."""
        if self._embedder is None and self._embedder_name:
            from bakeoff.tasks.documents.index.embed import open_embedder

            self._embedder = open_embedder(self._embedder_name)
        return self._embedder

    @property
    def retriever(self) -> Retriever:
        """What finds passages."""
        if self._retriever is None:
            from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever

            chosen = self._settings or RetrievalSettings(mode="hybrid" if self._embedder_name else "lexical")
            self._retriever = Retriever(self.store, None if chosen.mode == "lexical" else self.embedder, chosen)
        return self._retriever

    def index(
        self,
        *,
        password: str | None = None,
        ocr: Literal["auto", "never", "always"] = "auto",
        limits: Limits | None = None,
        readers: Callable[[str], frozenset[str] | None] | None = None,
        progress: Progress = quiet,
    ) -> IndexReport:
        """Bring the corpus to what its folder holds: new and changed files in, vanished ones out, the rest left alone.

        Parameters
        ----------
        password : str or None
            Tried on files that ask for one.
        ocr : {'auto', 'never', 'always'}
            Whether pages without text are read off their picture.
        limits : Limits or None
            Of memory, time and size, for each file.
        readers : callable or None
            Who may read a document, by its name: a set of principals, or None for everybody. Without it, access lists stay as they are.
        progress : Progress

        Returns
        -------
        IndexReport
            Files that could not be read are its `problems`; they end nothing.

        Raises
        ------
        BadData
            If the corpus has no folder.
        """
        if self.folder is None:
            raise BadData("This corpus has no folder of PDF files.", fix="open it with the folder, or add documents one by one")
        report = IndexReport()
        known = {facts.name: facts for facts in self.store.documents()}
        sources = list(find_pdfs(self.folder))
        for count, source in enumerate(sources):
            progress(count / max(1, len(sources)), source.name)
            allowed = readers(source.name) if readers else None
            self._bring(source, known.get(source.name), report, password, ocr, limits, (readers is not None, allowed))
        present = {source.name for source in sources}
        for name in sorted(set(known) - present):
            self.store.remove(name)
            report.removed.append(name)
        if report.removed or report.replaced:
            self.store.purge()
        if report.added or report.replaced:
            from bakeoff.tasks.documents.index.near_duplicates import duplicate_documents

            report.copies = [found.documents for found in duplicate_documents(self.store)]
        progress(1.0, "done")
        return report

    def add(
        self,
        source: Source,
        *,
        readers: frozenset[str] | None = None,
        password: str | None = None,
        ocr: Literal["auto", "never", "always"] = "auto",
        limits: Limits | None = None,
        report: IndexReport | None = None,
    ) -> DocumentFacts:
        """Read one PDF and put it into the corpus under its name, in one transaction. Raises BadData where it cannot be read."""
        from bakeoff.tasks.documents.reading.limits import Limits as Given
        from bakeoff.tasks.documents.reading.parse import parse_file

        report = IndexReport() if report is None else report
        started = time.perf_counter()
        with parse_file(source.path, password=password, limits=limits or Given(), ocr=ocr) as parsed:
            report.took("read", started)
            facts = DocumentFacts(
                id=parsed.sha256,
                name=source.name,
                title=parsed.title,
                pages=parsed.n_pages,
                readers=readers,
                notes=tuple(parsed.notes),
                meta={"reader": READER, "size": str(source.path.stat().st_size)},
            )
            report.chunks += self.put(facts, parsed.pages, report)
            report.pages += parsed.n_pages
        return facts

    def put(self, facts: DocumentFacts, pages: Callable[[], Iterator[Page]], report: IndexReport) -> int:
        """Chunk, embed and store a document whose pages are read already. `pages` gives them anew at each call. Returns the number of chunks."""
        from bakeoff.tasks.documents.index.chunk import make_chunks
        from bakeoff.tasks.documents.index.chunk_settings import settings_of
        from bakeoff.tasks.documents.index.embed import text_to_embed
        from bakeoff.tasks.documents.index.near_duplicates import META, signature
        from bakeoff.tasks.documents.index.terms import terms_of

        started = time.perf_counter()
        chunks = make_chunks(facts.title, facts.name, pages(), settings_of(self.store))
        terms = [terms_of(f"{chunk.context}\n{chunk.text}") for chunk in chunks]
        report.took("chunk", started)
        vectors = None
        if self.embedder is not None:
            started = time.perf_counter()
            vectors = self.embedder.encode([text_to_embed(chunk) for chunk in chunks])
            report.took("embed", started)
        started = time.perf_counter()
        facts = replace(facts, meta={**facts.meta, META: signature(pages())})
        self.store.add(facts, pages(), chunks, terms, vectors)
        report.took("store", started)
        return len(chunks)

    def _bring(
        self,
        source: Source,
        known: DocumentFacts | None,
        report: IndexReport,
        password: str | None,
        ocr: Literal["auto", "never", "always"],
        limits: Limits | None,
        access: tuple[bool, frozenset[str] | None],
    ) -> None:
        stated, readers = access
        try:
            if known is not None and known.meta.get("reader") == READER and known.id == hash_file(source.path):
                if stated and known.readers != readers:
                    self.store.set_readers(source.name, readers)
                report.unchanged.append(source.name)
                return
            # A changed file keeps its access list unless another one is stated: an update must never open a document up.
            kept = readers if stated else known.readers if known else None
            facts = self.add(source, readers=kept, password=password, ocr=ocr, limits=limits, report=report)
        except BakeoffError as error:
            report.problems.append(Problem(source.name, error.what, error.fix))
            return
        except OSError as error:
            report.problems.append(
                Problem(source.name, f"The file cannot be read: {error.strerror or error}.", "check the file and its rights")
            )
            return
        (report.replaced if known else report.added).append(source.name)
        if facts.notes:
            report.notes[source.name] = facts.notes

    def remove(self, name: str) -> bool:
        """Take a document out, and its bytes out of every file. False where there is none of that name."""
        found = self.store.remove(name)
        if found:
            self.store.purge()
        return found

    def find(self, question: str, *, scope: Scope = EVERYTHING, limit: int = 10) -> tuple[Any, ...]:
        """The passages that speak to a question, best first: see `retrieve.Retriever`."""
        return self.retriever.retrieve(question, scope, limit)

    def support(self) -> tuple[SupportModel, float]:
        """The model that support is computed with, and the support from which it answers: the corpus' own where they were chosen, else the defaults."""
        from bakeoff.tasks.documents.reply.abstain import DEFAULT_THRESHOLD
        from bakeoff.tasks.documents.reply.support import DEFAULT, SupportModel

        settings = self.store.settings()
        model = SupportModel.from_json(settings["support"]) if "support" in settings else DEFAULT
        return model, float(settings.get("threshold", DEFAULT_THRESHOLD))

    def ask(
        self,
        question: str,
        *,
        scope: Scope = EVERYTHING,
        passages: int = 10,
        statements: int = 4,
        threshold: float | None = None,
        model: Any = None,
    ) -> Reply:
        """Answer from the corpus alone, every statement cited, or abstain.

        Parameters
        ----------
        question : str
        scope : Scope
            Who asks, and what may be looked at.
        passages : int
            How many passages are found and shown.
        statements : int
            At most this many.
        threshold : float or None
            Support below which it abstains, in [0, 1]; None takes the corpus' own, else the default.
        model : ChatModel or None
            A language model that words the statements; each is verified against its quotes. None extracts them verbatim.

        Returns
        -------
        Reply
            Its `timings` name each step in seconds.
        """
        reply: Reply | None = None
        for each in self.ask_streaming(
            question, scope=scope, passages=passages, statements=statements, threshold=threshold, model=model
        ):
            if isinstance(each, Reply):
                reply = each
        if reply is None:
            raise BakeoffError("The answer ended without a reply.", fix="report this as a defect")
        return reply

    def ask_streaming(
        self,
        question: str,
        *,
        scope: Scope = EVERYTHING,
        passages: int = 10,
        statements: int = 4,
        threshold: float | None = None,
        model: Any = None,
    ) -> Iterator[Statement | Reply]:
        """As `ask`, giving each statement as soon as it is verified, and last the whole Reply."""
        from bakeoff.tasks.documents.reply.answer import extract

        if not question.strip():
            raise BadData("The question is empty.", fix="ask in a sentence, or in a few words")
        support, kept = self.support()
        least = kept if threshold is None else threshold
        held: dict[tuple[str, int], Page] = {}

        def page_of(document: str, number: int) -> Page:
            return held.get((document, number)) or self.store.page(document, number, scope)

        with self.store.reading():
            started = time.perf_counter()
            found = self.retriever.retrieve(question, scope, passages)
            timings = {"retrieve": time.perf_counter() - started}
            started = time.perf_counter()
            if model is None:
                reply = extract(question, found, page_of, threshold=least, most=statements, model=support)
            else:
                # A model may write for a minute; a document that is removed meanwhile must not be held up, nor break the answer.
                places = {(each.document, piece.page) for each in found for piece in each.chunk.pieces}
                held.update({place: self.store.page(*place, scope) for place in places})
        if model is None:
            yield from reply.statements
        else:
            from bakeoff.tasks.documents.reply.generate import generate

            for each in generate(question, found, page_of, model, threshold=least, most=statements, support_model=support):
                if isinstance(each, Reply):
                    reply = each
                else:
                    yield each
        timings["answer"] = time.perf_counter() - started
        yield replace(reply, timings={**timings, **reply.timings})


def open_store(where: str, *, create: bool = False) -> Store:
    """A store by its address: a folder (SQLite), or ``postgresql://...``. Raises BadData where there is none."""
    if where.startswith(("postgresql://", "postgres://")):
        from bakeoff.tasks.documents.index.store_postgres import PostgresStore

        return PostgresStore(where, create=create)
    if "://" in where:
        from bakeoff import registry

        scheme = where.partition("://")[0]
        found = registry.entries("bakeoff.stores").get(scheme)
        if found is None:
            raise BadData(
                f"No store is called {scheme}://.", fix="give a folder, postgresql://..., or install the plugin that brings it"
            )
        made: Store = found.load()(where, create=create)
        return made
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

    return SqliteStore(Path(where), create=create)


def find_pdfs(folder: Path) -> Iterator[Source]:
    """The PDF files under a folder, by name. Hidden files and folders are passed over, and links that lead out of the folder."""
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix.lower() != ".pdf" or any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_file() and path.resolve().is_relative_to(root):
            yield Source(relative.as_posix(), path)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_access(given: Mapping[str, Sequence[str]]) -> Callable[[str], frozenset[str] | None]:
    """Who may read which document, from patterns: the first that fits a document's name counts, and what fits none is for nobody but the owner.

    Parameters
    ----------
    given : mapping of pattern to principals
        Patterns as in a shell (``contracts/*.pdf``, ``*``); ``["*"]`` lets everybody read.
    """
    from fnmatch import fnmatchcase

    rules = list(given.items())

    def readers(name: str) -> frozenset[str] | None:
        for pattern, principals in rules:
            if fnmatchcase(name, pattern):
                return None if "*" in principals else frozenset(principals)
        return NOBODY

    return readers
