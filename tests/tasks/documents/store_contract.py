"""What every store of a corpus must do, as tests that any of them can run.

    import pytest

    pytest.register_assert_rewrite("store_contract", "store_documents")
    from store_contract import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def new_store(self, tmp_path):        # each call: a new, empty store
            return lambda: ...

        @pytest.fixture
        def open_again(self):                 # another handle on the same corpus, as another process would open it
            return lambda store: ...

Scores are compared with a plain reading of their definitions: see `store_documents`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from store_documents import (
    DIMENSIONS,
    VOCABULARY,
    Made,
    as_bytes,
    expected_dense,
    expected_lexical,
    made,
    made_of,
    page_of,
    pairs,
    question,
    refusal,
    same_page,
)  # fmt: skip

from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.records import EVERYTHING, DocumentFacts, Page, PageRef, Scope
from bakeoff.tasks.documents.store import Store

NewStore = Callable[[], Store]
OpenAgain = Callable[[Store], Store]


class StoreContract:
    """Subclass it with the two fixtures `new_store` and `open_again`."""

    @pytest.fixture
    def new_store(self) -> NewStore:
        raise NotImplementedError("give a fixture `new_store`")

    @pytest.fixture
    def open_again(self) -> OpenAgain:
        raise NotImplementedError("give a fixture `open_again`")

    @pytest.fixture
    def store(self, new_store: NewStore) -> Iterator[Store]:
        store = new_store()
        yield store
        store.close()

    @pytest.fixture
    def corpus(self, store: Store) -> list[Made]:
        """Six documents, two of them with access lists, added in no order of their names."""
        lists = {1: frozenset({"anna", "board"}), 4: frozenset({"carl"})}
        return [made(f"{'dbface'[i]}.pdf", i, readers=lists.get(i)).into(store) for i in range(6)]

    SCOPES = (
        EVERYTHING,
        Scope(principals=frozenset()),
        Scope(principals=frozenset({"anna", "staff"})),
        Scope(
            principals=frozenset({"carl"}), without=frozenset({PageRef("d.pdf", 2), PageRef("c.pdf", 1), PageRef("gone.pdf", 1)})
        ),
        Scope(documents=frozenset({"a.pdf", "b.pdf", "gone.pdf"})),
        Scope(principals=frozenset(), documents=frozenset({"b.pdf"})),
        Scope(without=frozenset(PageRef("a.pdf", page) for page in (1, 2, 3))),
    )

    # An empty corpus, and what comes back

    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_empty_corpus_answers_with_nothing(self, store: Store) -> None:
        assert list(store.documents()) == []
        assert list(store.lexical(["revenue"])) == []
        assert list(store.dense(question(0))) == []
        assert dict(store.settings()) == {}
        assert store.remove("a.pdf") is False
        store.purge()

    def test_what_was_added_comes_back(self, store: Store, corpus: list[Made], open_again: OpenAgain) -> None:
        again = open_again(store)
        for each in (store, again):
            assert list(each.documents()) == sorted((document.facts for document in corpus), key=lambda facts: facts.name)
            for document in corpus:
                keys = [(document.facts.name, chunk.ordinal) for chunk in reversed(document.chunks)]
                assert list(each.chunks(keys)) == list(reversed(document.chunks))
                for page in document.pages:
                    assert same_page(each.page(document.facts.name, page.number), page)
        again.close()

    def test_texts_of_every_script_come_back_whole(self, store: Store) -> None:
        texts = [
            "naïve Œuvre\u00a0ﬁn 𝛼 😀",
            "収益は5363百万円",
            "שלום \u202eabc\u202c",
            "tab\tand\nline",
            "'; DROP TABLE documents; --",
            "a\x00b",
        ]
        document = made_of("Ünïcode/фирма 'x'.pdf", texts).into(store)
        assert [chunk.text for chunk in store.chunks([(document.facts.name, i) for i in range(6)])] == texts
        assert pairs(store.lexical(["収益は5363百万円"]))[0][0] == (document.facts.name, 1)
        assert pairs(store.lexical(["DROP"]))[0][0] == (document.facts.name, 4)
        assert pairs(store.lexical(["a\x00b"]))[0][0] == (document.facts.name, 5)

    def test_document_without_text(self, store: Store, corpus: list[Made]) -> None:
        before = as_bytes(store, Scope(documents=frozenset(document.facts.name for document in corpus)))
        empty = DocumentFacts("0" * 64, "blank.pdf", "", 1)
        store.add(empty, [page_of(1, "")], [], [], np.empty((0, DIMENSIONS), np.float32))
        assert empty in list(store.documents())
        assert store.page("blank.pdf", 1).text == ""
        assert as_bytes(store, Scope(documents=frozenset(document.facts.name for document in corpus))) == before

    def test_settings_are_kept_and_changed(self, store: Store, open_again: OpenAgain) -> None:
        store.set_settings({"embedder": "minilm", "threshold": "0.5"})
        store.set_settings({"threshold": "0.25", "note": "é"})
        again = open_again(store)
        assert dict(store.settings()) == dict(again.settings()) == {"embedder": "minilm", "threshold": "0.25", "note": "é"}
        again.close()

    # Scores

    @pytest.mark.parametrize("scope", SCOPES, ids=range(len(SCOPES)))
    def test_lexical_is_bm25_over_the_scope(self, store: Store, corpus: list[Made], scope: Scope) -> None:
        for seed in range(10):
            rng = np.random.default_rng(seed)
            terms = [str(word) for word in rng.choice(VOCABULARY, 4)]
            hits = store.lexical(terms, scope, 1000)
            assert pairs(hits) == expected_lexical(corpus, terms, scope)
            assert all(dict(hit.scores) == {"lexical": hit.score} for hit in hits)

    @pytest.mark.parametrize("scope", SCOPES, ids=range(len(SCOPES)))
    def test_dense_is_the_exact_cosine_over_the_scope(self, store: Store, corpus: list[Made], scope: Scope) -> None:
        for seed in range(10):
            hits = store.dense(question(seed), scope, 1000)
            assert pairs(hits) == expected_dense(corpus, question(seed), scope)
            assert all(dict(hit.scores) == {"dense": hit.score} for hit in hits)

    def test_a_known_score(self, store: Store) -> None:
        """Two chunks of 2 and 4 terms; "tax" once in the first: ln(1 + 1.5 / 1.5) * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3)) = 0.364814."""
        made_of("a.pdf", ["tax paid"]).into(store)
        made_of("b.pdf", ["not a word more"]).into(store)
        assert pairs(store.lexical(["tax", "tax", "unknown"])) == [(("a.pdf", 0), 0.364814)]

    def test_a_term_of_many_repeats_counts_them_all(self, store: Store) -> None:
        documents = [
            made_of("a.pdf", ["tax " * 700, "tax " * 255, "tax " * 256 + "debt"]).into(store),
            made("b.pdf", 3).into(store),
        ]
        assert pairs(store.lexical(["tax", "debt"], limit=1000)) == expected_lexical(documents, ["tax", "debt"])

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 13])
    def test_limit_takes_the_first_of_the_whole_order(self, store: Store, corpus: list[Made], limit: int) -> None:
        for seed in range(5):
            whole = expected_dense(corpus, question(seed))
            assert pairs(store.dense(question(seed), EVERYTHING, limit)) == whole[:limit]
            assert pairs(store.lexical(["tax", "cash"], EVERYTHING, limit)) == expected_lexical(corpus, ["tax", "cash"])[:limit]
        assert list(store.dense(question(0), EVERYTHING, 0)) == []
        assert list(store.lexical(["tax"], EVERYTHING, 0)) == []

    def test_ties_go_by_name_then_ordinal(self, store: Store) -> None:
        copies = [
            made_of(name, ["tax paid"] * 12, seed=1)
            for name in ("z.pdf", "B.pdf", "é.pdf", "b.pdf", "\U0001f600.pdf", "\ufb01.pdf")
        ]
        copies = [replace(copy, vectors=np.repeat(copies[0].vectors[:1], 23, axis=0)) for copy in copies]
        for copy in copies:
            copy.into(store)
        for hits in (store.lexical(["tax"], limit=15), store.dense(question(1), limit=15)):
            keys = [hit.key for hit in hits if hit.score == hits[0].score]
            assert keys == sorted(keys)
        assert pairs(store.dense(question(1), limit=15)) == expected_dense(copies, question(1))[:15]
        assert pairs(store.lexical(["tax"], limit=15)) == expected_lexical(copies, ["tax"])[:15]

    def test_order_of_adding_changes_nothing(self, new_store: NewStore) -> None:
        documents = [made(f"{i}.pdf", i, pages=4) for i in range(6)]
        told = []
        for order in ((0, 1, 2, 3, 4, 5), (5, 3, 1, 0, 2, 4)):
            store = new_store()
            for i in order:
                documents[i].into(store)
            store.remove("2.pdf")
            made("3.pdf", 77).into(store)
            told.append(as_bytes(store, EVERYTHING))
            store.close()
        assert told[0] == told[1]

    # Scope

    def test_a_document_that_may_not_be_read_changes_no_byte(self, new_store: NewStore) -> None:
        public = [made(f"{i}.pdf", i, readers=frozenset({"anna"}) if i == 2 else None) for i in range(4)]
        secret = frozenset({"board"})
        copies = replace(public[1], facts=replace(public[1].facts, name="00 copy.pdf", readers=secret))
        adversaries = [
            copies,
            made("0.5.pdf", 50, readers=secret, pages=8),
            made_of("long.pdf", ["revenue " * 3000], readers=secret),
            made_of("short.pdf", ["tax"] * 40, readers=secret),
            made_of("none.pdf", ["zebra quagga okapi"] * 5, readers=secret),
            replace(made("rows.pdf", 9, pages=2, readers=secret), vectors=np.stack([question(0), question(1), question(2)])),
        ]
        alone, beside = new_store(), new_store()
        for store in (alone, beside):
            for document in public:
                document.into(store)
        askers = [Scope(principals=frozenset(who)) for who in ((), ("anna",), ("carl", "anna"), ("Board", "board ", "boar"))]
        for n, adversary in enumerate(adversaries):
            adversary.into(beside)
            if n == 2:  # between the documents that may be read, and gone again
                beside.remove("0.5.pdf")
                replace(adversaries[1], facts=replace(adversaries[1].facts, name="1.5.pdf")).into(beside)
            for scope in askers:
                assert as_bytes(beside, scope) == as_bytes(alone, scope)
        assert as_bytes(beside, EVERYTHING) != as_bytes(alone, EVERYTHING)
        assert as_bytes(beside, Scope(principals=secret)) != as_bytes(alone, Scope(principals=secret))
        alone.close()
        beside.close()

    def test_pages_left_out_are_as_if_they_were_not_there(self, new_store: NewStore) -> None:
        store = new_store()
        documents = [made(f"{i}.pdf", i, pages=4).into(store) for i in range(3)]
        scope = Scope(without=frozenset({PageRef("1.pdf", 2)}))
        for seed in range(4):
            terms = [str(word) for word in np.random.default_rng(seed).choice(VOCABULARY, 5)]
            assert pairs(store.lexical(terms, scope, 1000)) == expected_lexical(documents, terms, scope)
            found = {hit.key for hit in store.dense(question(seed), scope, 1000)}
            # Page 2 holds chunk 1, and the chunks that go over its two ends, 4 and 5.
            assert found == {(f"{i}.pdf", ordinal) for i in range(3) for ordinal in range(7)} - {
                ("1.pdf", 1),
                ("1.pdf", 4),
                ("1.pdf", 5),
            }
        store.close()

    def test_out_of_scope_is_refused_in_the_words_for_what_does_not_exist(self, store: Store, corpus: list[Made]) -> None:
        nobody, without = Scope(principals=frozenset()), Scope(without=frozenset({PageRef("d.pdf", 1)}))
        chosen = Scope(documents=frozenset({"a.pdf"}))

        def said(what: str, call: Callable[[], object]) -> str:
            return refusal(call).replace(what, "DOCUMENT")

        unknown = said("zzz.pdf", lambda: store.page("zzz.pdf", 1))
        assert said("b.pdf", lambda: store.page("b.pdf", 1, nobody)) == unknown
        assert said("d.pdf", lambda: store.page("d.pdf", 1, without)) == unknown
        assert said("d.pdf", lambda: store.page("d.pdf", 1, chosen)) == unknown
        assert said("d.pdf", lambda: store.page("d.pdf", 9)).replace("9", "1") == unknown
        assert refusal(lambda: store.page("d.pdf", 0))
        unknown = said("zzz.pdf", lambda: store.chunks([("zzz.pdf", 0)]))
        assert said("b.pdf", lambda: store.chunks([("a.pdf", 0), ("b.pdf", 0)], nobody)) == unknown
        assert said("d.pdf", lambda: store.chunks([("d.pdf", 0)], without)) == unknown
        assert said("d.pdf", lambda: store.chunks([("d.pdf", 0)], chosen)) == unknown
        assert said("d.pdf", lambda: store.chunks([("d.pdf", 99)])).replace("99", "0") == unknown
        assert refusal(lambda: store.chunks([("d.pdf", -1)]))
        assert store.page("d.pdf", 2, without).number == 2

    def test_changed_readers_hold_for_the_next_question(self, store: Store, corpus: list[Made], open_again: OpenAgain) -> None:
        again, nobody = open_again(store), Scope(principals=frozenset())
        for each in (store, again):
            assert "b.pdf" not in [facts.name for facts in each.documents(nobody)]
        store.set_readers("b.pdf", None)
        store.set_readers("a.pdf", frozenset({"carl"}))
        opened = {document.facts.name: document for document in corpus}
        for name, readers in (("b.pdf", None), ("a.pdf", frozenset({"carl"}))):
            opened[name] = replace(opened[name], facts=replace(opened[name].facts, readers=readers))
        for each in (store, again):
            for scope in (nobody, Scope(principals=frozenset({"carl"})), EVERYTHING):
                assert pairs(each.lexical(["tax", "cash"], scope, 1000)) == expected_lexical(
                    list(opened.values()), ["tax", "cash"], scope
                )
                assert pairs(each.dense(question(3), scope, 1000)) == expected_dense(list(opened.values()), question(3), scope)
        store.set_readers("b.pdf", frozenset())
        assert "b.pdf" not in [facts.name for facts in again.documents(Scope(principals=frozenset({"anna"})))]
        assert "b.pdf" in [facts.name for facts in again.documents()]
        assert refusal(lambda: store.set_readers("zzz.pdf", None))
        again.close()

    # Changes

    def test_replacing_leaves_nothing_of_what_was(self, new_store: NewStore, open_again: OpenAgain) -> None:
        store, fresh = new_store(), new_store()
        made("a.pdf", 1, pages=5).into(store)
        made("b.pdf", 2).into(store)
        again = open_again(store)
        as_bytes(again, EVERYTHING)
        for seed, pages in ((30, 2), (31, 9), (32, 1), (33, 5)):
            made("a.pdf", seed, pages=pages, readers=frozenset({"anna"})).into(store)
        made("b.pdf", 2).into(fresh)
        last = made("a.pdf", 33, pages=5, readers=frozenset({"anna"})).into(fresh)
        for scope in (EVERYTHING, Scope(principals=frozenset())):
            assert as_bytes(store, scope) == as_bytes(fresh, scope) == as_bytes(again, scope)
        assert [facts for facts in store.documents() if facts.name == "a.pdf"] == [last.facts]
        for each in (store, fresh, again):
            each.close()

    def test_removing(self, store: Store, corpus: list[Made], open_again: OpenAgain) -> None:
        again = open_again(store)
        as_bytes(again, EVERYTHING)
        assert store.remove("d.pdf") is True
        assert store.remove("d.pdf") is False
        left = [document for document in corpus if document.facts.name != "d.pdf"]
        for each in (store, again):
            assert [facts.name for facts in each.documents()] == ["a.pdf", "b.pdf", "c.pdf", "e.pdf", "f.pdf"]
            assert pairs(each.lexical(["tax", "cash"], limit=1000)) == expected_lexical(left, ["tax", "cash"])
            assert pairs(each.dense(question(1), limit=1000)) == expected_dense(left, question(1))
            assert refusal(lambda each=each: each.page("d.pdf", 1))
            assert refusal(lambda each=each: each.chunks([("d.pdf", 0)]))
        again.close()

    def test_purge_changes_no_answer(self, store: Store, corpus: list[Made], open_again: OpenAgain) -> None:
        again = open_again(store)
        store.remove("a.pdf")
        made("c.pdf", 91, pages=7).into(store)
        told = as_bytes(store, EVERYTHING)
        store.purge()
        store.purge()
        made("g.pdf", 92).into(store)
        store.remove("g.pdf")
        assert as_bytes(store, EVERYTHING) == told == as_bytes(again, EVERYTHING)
        again.close()

    def test_pages_that_fail_half_way_leave_everything_as_it_was(self, store: Store, corpus: list[Made]) -> None:
        told = as_bytes(store, EVERYTHING)
        for name, seed in (("new.pdf", 60), ("a.pdf", 61)):
            document = made(name, seed, pages=4)

            def failing(document: Made = document) -> Iterator[Page]:
                yield from document.pages[:2]
                raise ZeroDivisionError("the parser")

            with pytest.raises(ZeroDivisionError):
                store.add(document.facts, failing(), document.chunks, document.terms, document.vectors)
            assert as_bytes(store, EVERYTHING) == told
        made("new.pdf", 60).into(store)

    def test_what_does_not_agree_is_refused_and_changes_nothing(self, store: Store, corpus: list[Made]) -> None:
        told = as_bytes(store, EVERYTHING)
        good = made("new.pdf", 70)
        n = len(good.chunks)
        bad: Mapping[str, dict[str, Any]] = {
            "too few terms": {"terms": good.terms[1:]},
            "too few vectors": {"vectors": good.vectors[1:]},
            "no vectors": {"vectors": None},
            "other dimensions": {"vectors": np.eye(n, 5, dtype=np.float32) + np.eye(n, 5, -5, dtype=np.float32)},
            "not of length 1": {"vectors": good.vectors * 2},
            "not finite": {"vectors": np.full_like(good.vectors, np.nan)},
            "one dimension": {"vectors": good.vectors[0]},
            "ordinals": {"chunks": tuple(reversed(good.chunks))},
            "a page twice": {"pages": good.pages[:1] * 2},
            "a page too many": {"facts": replace(good.facts, pages=2), "chunks": (), "terms": (), "vectors": good.vectors[:0]},
            "a piece on no page": {"facts": replace(good.facts, pages=2)},
            "no name": {"facts": replace(good.facts, name="")},
        }
        for what, change in bad.items():
            given = replace(good, **change)
            assert refusal(lambda given=given: given.into(store)), what
            assert as_bytes(store, EVERYTHING) == told, what
        assert refusal(lambda: store.dense(question(0)[:5]))
        assert refusal(lambda: store.dense(question(0) * 3))

    def test_a_corpus_without_vectors(self, new_store: NewStore) -> None:
        store = new_store()
        document = made("a.pdf", 1)
        store.add(document.facts, document.pages, document.chunks, document.terms, None)
        assert list(store.dense(question(0))) == []
        assert pairs(store.lexical(["tax", "cash"], limit=1000)) == expected_lexical([document], ["tax", "cash"])
        assert refusal(lambda: made("b.pdf", 2).into(store))
        store.remove("a.pdf")
        other = made("b.pdf", 2).into(store)
        assert pairs(store.dense(question(0), limit=1000)) == expected_dense([other], question(0))
        store.close()

    def test_an_emptied_corpus_takes_vectors_of_another_model(self, new_store: NewStore) -> None:
        store = new_store()
        made("a.pdf", 1).into(store)
        store.dense(question(0))
        other = made("a.pdf", 1)
        store.add(other.facts, other.pages, other.chunks, other.terms, np.eye(5, 7, dtype=np.float32))
        assert [hit.key for hit in store.dense(np.eye(7, dtype=np.float32)[3], limit=1)] == [("a.pdf", 3)]
        store.close()

    def test_readers_beside_a_writer_see_whole_corpora_only(self, store: Store, open_again: OpenAgain) -> None:
        """While documents are replaced, each question sees all of one version: every chunk of a version has a word of its own."""
        versions = [made_of("a.pdf", [f"version v{i} of the text"] * 6, seed=i) for i in range(12)]
        versions[0].into(store)
        again, seen, stop = open_again(store), [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                counts = {i: len(again.lexical([f"v{i}"], limit=100)) for i in range(12)}
                seen.append(sorted({count for count in counts.values() if count}))
                seen.append([len(again.dense(question(1), limit=100))])

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for version in versions[1:]:
                version.into(store)
        finally:
            stop.set()
            thread.join()
        again.close()
        # 6 pages and 5 chunks over their ends; the half of a page that holds the word may lack it in a chunk over an end.
        whole = len(expected_lexical(versions[:1], ["v0"]))
        assert {tuple(counts) for counts in seen} <= {(), (whole,), (11,)} and (11,) in {tuple(counts) for counts in seen}

    def test_a_closed_store_says_so(self, new_store: NewStore) -> None:
        store = new_store()
        store.close()
        store.close()
        for call in (lambda: store.documents(), lambda: store.remove("a.pdf"), lambda: store.lexical(["a"])):
            with pytest.raises(BakeoffError):
                call()
