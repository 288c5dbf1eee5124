import pytest
from msgspec.structs import replace

from keeper.model.lease import Candidate, Tenure, Terms, obstacle, refusal

ME = Candidate("me", "1.0", "a" * 64)
LIVE = Tenure("1/0xabc", "other", 3, "1.0", "a" * 64, 4.5)


@pytest.mark.parametrize(
    ("tenure", "live"),
    [
        (LIVE, True),
        (replace(LIVE, expires_in_s=0.0), False),
        (replace(LIVE, expires_in_s=-3.0), False),
        (replace(LIVE, holder=""), False),
    ],
)
def test_a_tenure_is_live_while_somebody_holds_it(tenure: Tenure, live: bool) -> None:  # noqa: FBT001  # a column of the table
    assert tenure.is_live is live


def test_equals_follow_each_other() -> None:
    assert refusal(LIVE, ME) is None
    assert refusal(replace(LIVE, expires_in_s=-1.0), ME) is None


def test_whoever_let_go_is_followed_by_anybody() -> None:
    assert refusal(replace(LIVE, holder="", version="0.9", config_hash="b"), ME) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0.9"}, "other leads with version 0.9, configuration aaaaaaaa"),
        ({"config_hash": "b" * 64}, "other leads with version 1.0, configuration bbbbbbbb"),
        ({"version": ""}, "version ?, configuration aaaaaaaa"),
        ({"expires_in_s": -1.0, "version": "2"}, "other led last and did not let go"),
    ],
)
def test_the_unequal_are_refused_with_both_sides_named(
    change: dict[str, object], words: str
) -> None:
    reason = refusal(replace(LIVE, **change), ME)
    assert reason is not None
    assert words in reason
    assert "this keeper has version 1.0, configuration aaaaaaaa" in reason


def test_whoever_may_follow_is_told_who_leads_and_whoever_may_not_why() -> None:
    assert obstacle(LIVE, ME) == "other leads in epoch 3"
    other = replace(LIVE, version="0.9")
    assert obstacle(other, ME) == refusal(other, ME)


def test_a_lease_is_renewed_well_before_it_is_over() -> None:
    assert Terms(ME, lease_s=9.0).rest_s == 3.0
