from benchmarks.mutants import of_python, of_sql

CODE = '''\
"""A docstring is no code."""


def due(age_s: int = 1, *, halted: bool = False) -> bool | None:
    """Neither is this: x < y."""
    if age_s >= 15 and not halted:
        note(f"as {age_s - 1} is not")
        return True
    raise ValueError("neither is 1")
'''


def changed(text: str) -> set[str]:
    before = text.splitlines()
    lines = [
        new.strip()
        for mutant in of_python(text)
        for old, new in zip(before, mutant.text.splitlines(), strict=False)
        if old != new
    ]
    assert len(lines) == len(of_python(text))
    return set(lines)


def test_each_place_is_changed_in_each_way_and_words_are_left_alone() -> None:
    assert changed(CODE) == {
        "def due(age_s: int = 2, *, halted: bool = False) -> bool | None:",
        "def due(age_s: int = 1, *, halted: bool = True) -> bool | None:",
        "if age_s > 15 and not halted:",
        "if age_s >= 16 and not halted:",
        "if age_s >= 15 or not halted:",
        "if age_s >= 15 and halted:",
        "if (not (age_s >= 15 and not halted)):",
        "pass",
        "return False",
        "return None",
    }


def test_an_operator_is_found_between_brackets_and_after_letters_of_two_bytes() -> None:
    assert changed("Δ, x = 1.5, (2.5)\ny = (Δ) - (x)\n") == {"y = (Δ) + (x)"}


SCHEMA = """\
CREATE TABLE slot (
  nonce     INTEGER NOT NULL CHECK (nonce >= 0),
  intent_id TEXT NOT NULL UNIQUE,
  CHECK ((nonce IS NULL) = (intent_id IS NULL))
) STRICT;
CREATE TRIGGER slot_is_final BEFORE UPDATE ON slot
WHEN NEW.nonce <> OLD.nonce
BEGIN SELECT RAISE(ABORT, 'no'); END;
"""


def test_each_rule_of_a_schema_is_left_out_in_turn() -> None:
    found = of_sql(SCHEMA)
    assert [mutant.what for mutant in found] == [
        "a check is left out",
        "a uniqueness is left out",
        "a check is left out",
        "a trigger is left out",
        "a condition is negated",
    ]
    assert "WHEN NOT (NEW.nonce <> OLD.nonce)" in found[-1].text
    assert "CREATE TRIGGER" not in found[3].text
    assert ",\n) STRICT" not in found[2].text
