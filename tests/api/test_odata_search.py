"""``q`` finds words in whatever text of an entity; and large sets, which have indexes, answer as small ones do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from tests.odata_site import Collection, code, follow, ids, results, shop
from tests.running import RunningUnit


class TestWords:
    @pytest.fixture(scope="class")
    @staticmethod
    def texts(unit: RunningUnit) -> Collection:
        made = shop(unit.cell())
        made.create(
            "Person", __id="taro", name="山田 太郎", address={"city": "京都市", "geo": {"place": "Old Palace"}}
        )
        made.create("Person", __id="jane", name="Jane Smith-Jones", tags=["gardening", "Piano"], age=42)
        made.create("Person", __id="kana", name="ヤマダハナコ", homes=[{"city": "東京都港区"}])
        made.create("Person", __id="mixed", name="iPhone用ケース", dynamic="undeclared", weight=1.5)
        made.create("Person", __id="empty")
        return made

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("太郎", {"taro"}),
            ("山田", {"taro"}),
            ("田 太", {"taro"}),
            ("郎", {"taro"}),
            ("京都", {"taro", "kana"}),
            ("京都市", {"taro"}),
            ("都", {"taro", "kana"}),
            ("ハナ", {"kana"}),
            ("東京都港区", {"kana"}),
            ("港区", {"kana"}),
            ("京港", set()),
            ("太郎 京都", {"taro"}),
            ("太郎 港区", set()),
            ("jane", {"jane"}),
            ("JANE", {"jane"}),
            ("Smith", {"jane"}),
            ("Smi", set()),
            ("mith", set()),
            ("Smith-Jones", {"jane"}),
            ("Jones-Smith", set()),
            ("piano gardening", {"jane"}),
            ("palace", {"taro"}),
            ("old  palace", {"taro"}),
            ("42", {"jane"}),
            ("4", set()),
            ("undeclared", {"mixed"}),
            ("iphone", {"mixed"}),
            ("ケース", {"mixed"}),
            ("用ケ", {"mixed"}),
            ('"jane"', {"jane"}),
            ("nobody", set()),
            ("'; DROP TABLE entity; --", set()),
        ],
    )
    def test_every_word_must_be_there(self, texts: Collection, q: str, found: set[str]) -> None:
        answer = texts.get("Person", q=q, inlinecount="allpages")
        assert set(ids(answer)) == found
        assert answer.json()["d"]["__count"] == str(len(found))

    def test_it_goes_with_filter_and_order(self, texts: Collection) -> None:
        assert ids(texts.get("Person", q="都", orderby="__id")) == ["kana", "taro"]
        assert ids(texts.get("Person", q="都", filter="name eq '山田 太郎'")) == ["taro"]
        assert ids(texts.get("Person", q="都", top=1, skip=1, orderby="__id")) == ["taro"]

    def test_it_finds_what_was_just_written_and_no_more_what_was_taken_away(self, texts: Collection) -> None:
        made = texts.create("Card", number="Zebra crossing")
        path = f"Card('{made['__id']}')"
        assert ids(texts.get("Card", q="zebra")) == [made["__id"]]
        texts.call("MERGE", path, json={"number": "Lion"})
        assert ids(texts.get("Card", q="zebra")) == []
        assert ids(texts.get("Card", q="lion")) == [made["__id"]]
        texts.call("DELETE", path)
        assert ids(texts.get("Card", q="lion")) == []

    @pytest.mark.parametrize(("q", "fits"), [("", False), ("x" * 255, True), ("x" * 256, False), ("あ" * 85, True)])
    def test_it_is_bounded_in_bytes(self, texts: Collection, q: str, fits: bool) -> None:
        answer = texts.get("Person", q=q)
        if fits:
            assert answer.status_code == 200
        else:
            assert code(answer) == "PR400-OD-0029"
        assert code(texts.get("Person", q="あ" * 86)) == "PR400-OD-0029"

    def test_one_entity_heeds_none(self, texts: Collection) -> None:
        assert texts.get("Person('empty')", q="nobody").status_code == 200


TEXTS = [
    "山田 太郎",
    "Jane Smith-Jones",
    "東京都港区",
    "ｶﾀｶﾅ \uff21\uff22\uff23",
    "cafe\u0301 au lait",
    "か\u3099くせい",
    "naïve Straße",
    "😀 smile 👍🏽",
    "x_y z.w",
    "NEAR AND OR NOT",
    '"quoted" *star* (paren)',
    "1,234.5 第2版",
]


class TestLargeSets:
    COUNT = 1_010

    @pytest.fixture(scope="class")
    @staticmethod
    def large(unit: RunningUnit) -> Collection:
        """More items than are read through for every list; their texts have no order of their own."""
        made = Collection.make(unit.cell())
        made.complex_type("Address", city="Edm.String")
        made.entity_type("Item", s="Edm.String", i="Edm.Int32", t="Edm.String", address="Address")
        numbers = [*range(TestLargeSets.COUNT)]
        for half in (numbers[:505], numbers[505:]):
            parts = "".join(
                f"--B\nContent-Type: application/http\n\nPOST Item HTTP/1.1\n\n{TestLargeSets.item(number)}\n"
                for number in half
            )
            made.call(
                "POST", "$batch", content=f"{parts}--B--", headers={"Content-Type": "multipart/mixed;boundary=B"}
            )
        return made

    @staticmethod
    def item(number: int) -> str:
        return json.dumps(
            {
                "__id": f"n{number:04}",
                "i": None if number % 50 == 0 else number % 40,
                "s": None if number % 9 == 0 else f"日{number * 7919 % 1009}",
                "t": TEXTS[number] if number < len(TEXTS) else None,
                "address": {"city": "Ōsaka" if number == 1000 else "奈良"},
            }
        )

    def test_a_page_has_25(self, large: Collection) -> None:
        answer = large.get("Item", inlinecount="allpages")
        assert ids(answer) == [f"n{number:04}" for number in range(25)]
        assert answer.json()["d"]["__count"] == str(self.COUNT)

    @pytest.mark.parametrize("order", ["s", "s desc", "i desc,s", "i,s desc"])
    def test_all_pages_together_are_the_whole_list(self, large: Collection, order: str) -> None:
        for _ in range(2):  # what a list is sorted by may get an index meanwhile
            whole = results(large.get("Item", orderby=order, top=10_000))
            assert len({each["__id"] for each in whole}) == self.COUNT
            first = large.get("Item", orderby=order, filter="i ne 3")
            paged = [*itertools.chain(*map(ids, follow(large, first)))]
            assert paged == [each["__id"] for each in whole if each["i"] != 3]
            name = order.partition(" ")[0].partition(",")[0]
            nulls = [each[name] is None for each in whole]
            assert nulls == sorted(nulls)

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("i eq 3", lambda i: i == 3),
            ("i gt 37", lambda i: i is not None and i > 37),
            ("i eq null", lambda i: i is None),
        ],
    )
    def test_a_filter_finds_the_same_again_and_again(
        self, large: Collection, text: str, wanted: Callable[[int | None], bool]
    ) -> None:
        said = [json.loads(self.item(number)) for number in range(self.COUNT)]
        found = [each["__id"] for each in said if wanted(each["i"])]
        for _ in range(3):
            assert ids(large.get("Item", filter=text, top=10_000)) == found
            assert large.get("Item/$count", filter=text).text == str(len(found))

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("太郎", [0]),
            ("田", [0]),
            ("jane", [1]),
            ("smith jones", [1]),
            ("smi", []),
            ("京都", [2]),
            ("東京都港区", [2]),
            ("京港", []),
            ("ｶﾀ", [3]),
            ("LAIT", [4]),
            ("くせい", [5]),
            ("naïve", [6]),
            ("STRASSE", [6]),
            ("smile", [7]),
            ("x", [8]),
            ("near not", [9]),
            ("quoted*", [10]),
            ("(paren)", [10]),
            ('"', []),
            ("*", []),
            ("2版", [11]),
            ("234", [11, 592]),
            ("ōsaka", [1000]),
            ("奈良 jane", [1]),
        ],
    )
    def test_a_search_finds_the_same_before_and_after_it_is_indexed(
        self, large: Collection, q: str, found: list[int]
    ) -> None:
        for _ in range(3):
            answer = large.get("Item", q=q, inlinecount="allpages")
            assert ids(answer) == [f"n{number:04}" for number in found]
            assert answer.json()["d"]["__count"] == str(len(found))

    def test_what_is_written_later_is_found_too(self, large: Collection) -> None:
        large.get("Item", q="後から")
        for _ in range(3):
            made = large.create("Item", t="後から来た人")["__id"]
            assert ids(large.get("Item", q="から来")) == [made]
            large.call("MERGE", f"Item('{made}')", json={"t": "別人"})
            assert ids(large.get("Item", q="から来")) == []
            large.call("DELETE", f"Item('{made}')")
            assert ids(large.get("Item", q="別人")) == []
