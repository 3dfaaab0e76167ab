"""One statement out of several that write: names, columns and numbers of parameters."""

from chassis.statements import Part, Write, joined

ONE = Part((("one", "insert into a values ($1, $2)"),))
TWO = Part(
    (("two", "insert into b select $1 returning id"), ("three", "delete from c where id = $2 or of = $1")),
    ("array(select id from two) as ids", "$2::int as given"),
)


def test_one_part_keeps_its_numbers():
    assert joined([Write(ONE, (7, 8))]) == ("with one as (insert into a values ($1, $2)) select true", 7, 8)


def test_the_numbers_of_a_part_go_on_after_those_before_it():
    statement, *values = joined([Write(ONE, (7, 8)), Write(TWO, ("x", 9))])
    assert statement == (
        "with one as (insert into a values ($1, $2)), two as (insert into b select $3 returning id), "
        "three as (delete from c where id = $4 or of = $3) select array(select id from two) as ids, $4::int as given"
    )
    assert values == [7, 8, "x", 9]


def test_numbers_of_two_digits_are_numbers():
    many = Part((("many", "select " + ", ".join(f"${number}" for number in range(1, 12))),))
    statement, *_ = joined([Write(ONE, (0, 0)), Write(many, tuple(range(11)))])
    assert "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)" in statement
