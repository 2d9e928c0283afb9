"""The words in texts, and what is found by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.model.words import holds, phrase, texts, tokens

JAPANESE = st.text("山田太郎京都港区ハナコかなー々", min_size=1, max_size=8)
LATIN = st.text("abcxyzäß019", min_size=1, max_size=8)


def finds(text: str, *words: str) -> bool:
    return holds({"P001": text}, words)


class TestTokens:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", []),
            (" .,-!　、。", []),
            ("word", ["word"]),
            ("Two Words", ["two", "words"]),
            ("Smith-Jones's", ["smith", "jones", "s"]),
            ("snake_case", ["snake", "case"]),
            ("3.14", ["3", "14"]),
            ("Straße", ["strasse"]),
            ("ΣΊΣΥΦΟΣ", ["σίσυφοσ"]),
            ("Привет", ["привет"]),
            ("日", ["日"]),
            ("日本", ["日本", "本"]),
            ("東京都", ["東京", "京都", "都"]),
            ("ひらがな", ["ひら", "らが", "がな", "な"]),
            ("ラーメン", ["ラー", "ーメ", "メン", "ン"]),
            ("ｶﾅ", ["ｶﾅ", "ﾅ"]),
            ("人々", ["人々", "々"]),
            ("〇一", ["〇一", "一"]),
            ("𠮷野", ["𠮷野", "野"]),
            ("山田 太郎", ["山田", "田", "太郎", "郎"]),
            ("iPhone用ケース", ["iphone", "用ケ", "ケー", "ース", "ス"]),
            ("第2版", ["第", "2", "版"]),
        ],
    )
    def test_a_text_has_whole_words_and_pairs_of_characters(self, text: str, found: list[str]) -> None:
        assert [*tokens(text)] == found

    @given(JAPANESE)
    def test_a_run_has_a_token_for_each_character(self, text: str) -> None:
        found = [*tokens(text)]
        assert [each[0] for each in found] == [*text]
        assert {len(each) for each in found[:-1]} <= {2}


class TestTexts:
    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("x", ["x"]),
            (7, ["7"]),
            (1.5, ["1.5"]),
            (True, []),
            (None, []),
            (["a", 1, None, False], ["a", "1"]),
            ({"a": "x", "b": {"c": ["y", {"d": "z"}]}}, ["x", "y", "z"]),
            ({}, []),
        ],
    )
    def test_texts_and_numbers_at_whatever_depth(self, value: Any, found: list[str]) -> None:
        assert [*texts(value)] == found


class TestPhrases:
    @pytest.mark.parametrize(
        ("word", "wanted", "is_open"),
        [
            ("Word", ("word",), False),
            ("Smith-Jones", ("smith", "jones"), False),
            ("京", ("京",), True),
            ("京都", ("京都",), False),
            ("東京都", ("東京", "京都"), False),
            ("iPhone用", ("iphone", "用"), True),
            ("第2版", ("第", "2", "版"), True),
            ("版2", ("版", "2"), False),
            ("!?", (), False),
            ("", (), False),
        ],
    )
    def test_a_word_is_tokens_that_follow_one_another(
        self, word: str, wanted: tuple[str, ...], is_open: bool
    ) -> None:
        assert phrase(word) == (wanted, is_open)


class TestHolds:
    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("東京都港区", "東"),
            ("東京都港区", "京"),
            ("東京都港区", "区"),
            ("東京都港区", "京都"),
            ("東京都港区", "港区"),
            ("東京都港区", "都港区"),
            ("東京都港区", "東京都港区"),
            ("山田 太郎", "田"),
            ("the Old Palace", "old"),
            ("the Old Palace", "PALACE"),
            ("Smith-Jones", "smith-jones"),
            ("Smith-Jones", "jones"),
            ("Smith Jones", "Smith-Jones"),
            ("iPhone用ケース", "iphone"),
            ("iPhone用ケース", "用"),
            ("iPhone用ケース", "iphone用ケース"),
            ("第2版", "2版"),
        ],
    )
    def test_it_is_found(self, text: str, word: str) -> None:
        assert finds(text, word)

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("東京都港区", "京港"),
            ("東京都港区", "都区"),
            ("東京都港区", "区東"),
            ("東京 都", "京都"),
            ("the Old Palace", "pal"),
            ("the Old Palace", "alace"),
            ("the Old Palace", "old-the"),
            ("the Old Palace", "the-palace"),
            ("iPhone用ケース", "phone"),
            ("x", "!"),
            ("x", ""),
            ("", "x"),
            ("a京", "a京都"),
        ],
    )
    def test_it_is_not(self, text: str, word: str) -> None:
        assert not finds(text, word)

    def test_every_word_must_be_there_in_whichever_text(self) -> None:
        document = {"P001": "山田 太郎", "C001": {"P001": "京都", "P002": ["Piano", 42]}, "P002": None}
        assert holds(document, ["太郎", "京都", "piano", "42"])
        assert not holds(document, ["太郎", "大阪"])
        assert holds(document, [])

    def test_a_word_does_not_reach_from_one_text_into_the_next(self) -> None:
        assert not holds({"P001": "東京", "P002": "都"}, ["東京都"])
        assert not holds({"P001": ["old", "palace"]}, ["old-palace"])

    def test_names_of_properties_are_no_texts(self) -> None:
        assert not holds({"P001": "x"}, ["P001"])

    @given(JAPANESE, st.data())
    def test_any_part_of_a_japanese_text_is_found(self, text: str, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        assert finds(text, text[start:end])
        assert finds(f"x {text}、y", text[start:end])

    @given(JAPANESE, JAPANESE)
    def test_and_nothing_else(self, text: str, word: str) -> None:
        assert finds(text, word) == (word in text)

    @given(st.lists(LATIN, min_size=1, max_size=5), LATIN)
    def test_latin_words_are_found_whole_alone(self, words: list[str], word: str) -> None:
        assert finds(" ".join(words), word.upper()) == (word.casefold() in {each.casefold() for each in words})

    @given(st.text(max_size=30), st.text(max_size=5))
    def test_no_text_and_no_word_is_too_odd(self, text: str, word: str) -> None:
        assert finds(text, word) in {True, False}
        assert finds(text, text) == bool([*tokens(text)])
