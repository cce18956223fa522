"""What goes in and comes out."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from array import array
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union

import msgspec
import numpy
import pydantic
import pytest
from helpers import some

from litestash import LiteStash, LiteStashError, Timestamp, TooLargeError, TypeMismatchError
from litestash._litestash import decode_value, encode_value  # type: ignore[attr-defined]  # in builds for tests

UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, 1, -1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -(2**63),
        0.0, 1.5, 1e300, math.inf, "", "ä€😀", b"", b"\0\xff", [], [1, [2, [3]]], {}, {"b": 1, "a": {"c": None}},
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), datetime.datetime(1, 1, 1, tzinfo=UTC),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), Timestamp(5, 1), Timestamp(2**60), array("f", [0.5, -2]),
    ],
)  # fmt: skip
def test_values_come_back(stash: LiteStash, value: Any) -> None:
    stash["key"] = value
    for back in (stash["key"], decode_value(encode_value(value))):
        assert back == value and type(back) is type(value)


def test_floats_keep_their_bits(stash: LiteStash) -> None:
    stash["a"] = [math.nan, -0.0]
    nan, zero = stash["a"]
    assert math.isnan(nan) and math.copysign(1, zero) == -1


def test_what_is_read_back_as_something_simpler(stash: LiteStash) -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Number(enum.IntEnum):
        ONE = 1

    berlin = datetime.timezone(datetime.timedelta(hours=1))
    for value, expected in [
        ((1, (2,)), [1, [2]]),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (Colour.RED, "red"),
        (Number.ONE, 1),
        (numpy.array([1, 2], numpy.float32), array("f", [1, 2])),
        (numpy.arange(6, dtype=numpy.float32)[::2], array("f", [0, 2, 4])),
        (numpy.int64(5), 5),
        (datetime.datetime(2026, 1, 1, 1, tzinfo=berlin), datetime.datetime(2026, 1, 1, tzinfo=UTC)),
    ]:
        stash["key"] = value
        assert stash["key"] == expected


def test_what_cannot_be_stored_is_refused_and_nothing_is_written(stash: LiteStash) -> None:
    deep: list[Any] = []
    for _ in range(64):
        deep = [deep]
    cycle: list[Any] = []
    cycle.append(cycle)
    stash["key"] = "old"
    for wrong, kind in [
        (2**64, "InvalidValue"),
        (-(2**63) - 1, "InvalidValue"),
        (object(), "InvalidValue"),
        (1j, "InvalidValue"),
        ({1: 2}, "InvalidValue"),
        ({1, 2}, "InvalidValue"),
        ("\ud800", "InvalidValue"),
        ({"\ud800": 1}, "InvalidValue"),
        (datetime.datetime(2026, 1, 1), "InvalidValue"),
        (array("d", [1.0]), "InvalidValue"),
        (numpy.zeros(3), "InvalidValue"),
        (numpy.zeros((2, 2), dtype=numpy.float32), "InvalidValue"),
        (lambda: None, "InvalidValue"),
        (deep, "TooLarge"),
        (cycle, "TooLarge"),
    ]:
        with pytest.raises(LiteStashError) as refused:
            stash["key"] = wrong
        assert refused.value.kind == kind, wrong
    assert stash["key"] == "old"
    with LiteStash.memory(value_bytes_max=100) as small, pytest.raises(TooLargeError):
        small["key"] = "x" * 200


def test_an_exception_of_an_objects_own_code_is_the_answer(stash: LiteStash) -> None:
    class Odd:
        @property
        def __struct_fields__(self) -> Any:
            raise ZeroDivisionError

    class Zone(datetime.tzinfo):
        def utcoffset(self, moment: Any) -> Any:
            raise ZeroDivisionError

        dst = tzname = utcoffset

    with pytest.raises(ZeroDivisionError):
        stash["key"] = datetime.datetime(2026, 1, 1, tzinfo=Zone())


@dataclasses.dataclass
class Address:
    street: str
    number: Optional[int] = None


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: float
    y: float


class Options(TypedDict, total=False):
    colour: str


@dataclasses.dataclass
class Person:
    name: str
    born: datetime.date
    address: Address
    level: Level = Level.LOW
    tags: list[str] = dataclasses.field(default_factory=list)
    point: Optional[Point] = None
    ident: Union[uuid.UUID, None] = None
    pair: tuple[int, str] = (1, "a")
    options: Options = dataclasses.field(default_factory=lambda: Options())
    kind: Literal["a", "b"] = "a"
    price: decimal.Decimal = decimal.Decimal("1.50")


PERSON = Person("Ada", datetime.date(1815, 12, 10), Address("St James", 5), Level.HIGH, ["x"], Point(1, 2.5), uuid.UUID(int=7))


def test_dataclasses_are_validated(stash: LiteStash) -> None:
    stash["ada"] = PERSON
    assert stash["ada"]["name"] == "Ada" and stash["ada"]["level"] == 2
    assert stash.get("ada", type=Person) == PERSON
    assert stash.get("nobody", 5, type=Person) == 5
    for wrong in ({"name": "x"}, 5, stash["ada"] | {"more": 1}, stash["ada"] | {"tags": [1]}, stash["ada"] | {"kind": "c"}):
        stash["wrong"] = wrong
        with pytest.raises(TypeMismatchError) as mismatch:
            stash.get("wrong", type=Person)
        assert isinstance(mismatch.value, TypeError) and "Ada" not in str(mismatch.value)
    assert stash.take("ada", type=Person) == PERSON
    stash["list"] = [1, 2]
    assert stash.get("list", type=tuple[int, ...]) == (1, 2)
    assert stash.get("list", type=set[int]) == {1, 2}
    with pytest.raises(TypeMismatchError):
        stash.get("list", type=list[str])


class Model(pydantic.BaseModel):
    name: str
    when: datetime.datetime
    ident: uuid.UUID
    inner: list[Address] = []


class Struct(msgspec.Struct):
    name: str
    age: int = 0
    when: Optional[datetime.datetime] = None


def test_models_and_structs_are_validated_by_their_own_libraries(stash: LiteStash) -> None:
    now = datetime.datetime(2026, 5, 6, tzinfo=UTC)
    model = Model(name="a", when=now, ident=uuid.UUID(int=1), inner=[Address("x")])
    stash["model"] = model
    stash["struct"] = Struct("b", 3, now)
    assert stash["model"]["when"] == now
    assert stash.get("model", type=Model) == model
    assert stash.get("struct", type=Struct) == Struct("b", 3, now)
    for name, kind in (("struct", Model), ("list", Struct), ("list", Model)):
        stash["list"] = [1]
        with pytest.raises(TypeMismatchError):
            stash.get(name, type=kind)
    assert stash.get_many(["struct"], type=Struct) == {"struct": Struct("b", 3, now)}
    assert list(stash.values(prefix="struct", type=Struct)) == [Struct("b", 3, now)]
    assert dict(stash.items(prefix="model", type=Model)) == {"model": model}


def test_vectors_are_read_as_numpy_when_asked(stash: LiteStash) -> None:
    stash["v"] = numpy.array([1, 2.5], numpy.float32)
    back = some(stash.get("v", type=numpy.ndarray))
    assert back.dtype == numpy.float32 and back.tolist() == [1, 2.5]


def test_a_codec_is_a_type(stash: LiteStash) -> None:
    class Upper:
        @staticmethod
        def encode(text: str) -> str:
            return text.upper()

        @staticmethod
        def decode(text: str) -> str:
            return text.lower()

    stash["a"] = Upper.encode("x")
    codec: Any = Upper
    assert stash.get("a", type=codec) == "x"
    view = stash.typed(codec, prefix="u:")
    view["b"] = "y"
    assert stash["u:b"] == "Y" and view["b"] == "y" and list(view) == ["b"] and len(view) == 1


def test_a_typed_view_is_a_mapping(stash: LiteStash) -> None:
    people = stash.typed(Person, prefix="person:")
    people["ada"] = PERSON
    stash["other"] = 1
    assert people == {"ada": PERSON} and "ada" in people and "other" not in people
    people.set("bob", PERSON, ttl=60)
    assert 0 < some(stash.ttl("person:bob")) <= 60
    del people["bob"]
    stash["person:no"] = 5
    with pytest.raises(TypeMismatchError):
        people["no"]
    with pytest.raises(TypeError):
        stash.typed(complex)


def test_nothing_is_pickled(stash: LiteStash) -> None:
    import litestash

    for name in ("pickle", "cPickle", "marshal"):
        assert not hasattr(litestash, name)
    with pytest.raises(ValueError):
        stash["a"] = Exception("x")
