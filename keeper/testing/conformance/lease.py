"""What every lease must do: one leader at a time, and a paused one can never write again."""

from collections.abc import Callable
from typing import Protocol

import pytest

from keeper.model.errors import Fenced
from keeper.model.events import Event, Halted, Intended, Settled, Signed, Troubled
from keeper.model.lease import Candidate
from keeper.ports.acting import ActingJournal
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    a_hold,
    a_life,
    an_attempt,
    an_intent,
    an_outcome,
)

FIRST = Candidate("first", "1.0", "aaaa")
SECOND = Candidate("second", "1.0", "aaaa")
THIRD = Candidate("third", "1.0", "aaaa")
NEWER = Candidate("newer", "2.0", "aaaa")
REDECIDED = Candidate("redecided", "1.0", "bbbb")


class Contend(Protocol):
    """Opens the same journal as another process of that name would."""

    def __call__(self, candidate: Candidate, *, adopt: bool = False) -> ActingJournal:
        """Return the journal; the fixture closes it."""
        ...


class LeaseConformance:
    """Needs the fixtures `contend` and `run_out`.

    `contend` is a `Contend`; what it opens does not lead yet. `run_out` is a function that lets the
    present lease end as if its time had passed.
    """

    def test_p4_whoever_asks_first_leads_and_the_other_is_told_who(self, contend: Contend) -> None:
        first, second = contend(FIRST), contend(SECOND)
        assert first.hold() == 1
        assert first.obstacle() is None
        assert second.hold() is None
        assert "first leads in epoch 1" in (second.obstacle() or "")
        assert first.hold() == 1

    def test_p4_nobody_writes_before_leading(self, contend: Contend) -> None:
        contend(FIRST).hold()
        second = contend(SECOND)
        second.hold()
        with pytest.raises(Fenced):
            second.append(Intended(an_intent(), NOW_MS))
        assert second.open() == ()

    def test_a_leader_that_lets_go_is_followed_at_once(self, contend: Contend) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        first.let_go()
        assert second.hold() == 2
        assert first.hold() is None

    def test_a_leader_that_is_closed_is_followed_at_once(self, contend: Contend) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        first.close()
        assert second.hold() == 2

    def test_a_lease_that_ran_out_is_taken_over_with_a_higher_epoch(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first, second, third = contend(FIRST), contend(SECOND), contend(THIRD)
        first.hold()
        run_out()
        assert second.hold() == 2
        assert third.hold() is None
        run_out()
        assert third.hold() == 3
        tenure = third.tenure()
        assert tenure is not None
        assert (tenure.holder, tenure.epoch, tenure.is_live) == ("third", 3, True)

    @pytest.mark.parametrize(
        "late",
        [
            (Signed(an_attempt(an_intent(), 0)),),
            (Settled(an_outcome(an_intent()), NOW_MS),),
            (Troubled("Transient", "woke up", NOW_MS),),
            (Halted("woke up", NOW_MS),),
            (a_hold(),),
        ],
        ids=lambda events: type(events[0]).__name__,
    )
    def test_p3_s6_a_leader_that_wakes_up_after_a_take_over_writes_nothing(
        self, contend: Contend, run_out: Callable[[], None], late: tuple[Event, ...]
    ) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        first.append(Intended(an_intent(), NOW_MS))
        run_out()
        second.hold()
        before = second.entries()
        with pytest.raises(Fenced):
            first.append(*late)
        assert second.entries() == before
        assert second.decisions() == ()
        assert first.hold() is None

    def test_a_leader_whose_lease_ran_out_unnoticed_is_fenced_and_may_lead_anew(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first = contend(FIRST)
        first.hold()
        run_out()
        with pytest.raises(Fenced):
            first.append(Intended(an_intent(), NOW_MS))
        assert first.hold() == 2
        first.append(*a_life(an_intent(), 0))

    def test_p3_s6_an_old_epoch_stays_fenced_when_its_holder_leads_again(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        first.append(Intended(an_intent(), NOW_MS))
        run_out()
        second.hold()
        second.append(Settled(an_outcome(an_intent(), "abandoned"), NOW_MS))
        second.let_go()
        # It has not noticed anything: what it signs now belongs to its first time in office.
        with pytest.raises(Fenced):
            first.append(Signed(an_attempt(an_intent(), 0)))
        assert first.hold() == 3

    def test_whoever_follows_sees_everything_that_was_written(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        first.append(Intended(an_intent(), NOW_MS), Signed(an_attempt(an_intent(), 4)))
        run_out()
        second.hold()
        assert [pending.intent.id for pending in second.open()] == [an_intent().id]
        assert second.next_nonce(ACCOUNT) == 5

    @pytest.mark.parametrize("other", [NEWER, REDECIDED], ids=["version", "configuration"])
    def test_p6_another_version_or_configuration_does_not_take_over(
        self, contend: Contend, run_out: Callable[[], None], other: Candidate
    ) -> None:
        first, second = contend(FIRST), contend(other)
        first.hold()
        assert second.hold() is None
        assert "leads with version 1.0, configuration aaaa" in (second.obstacle() or "")
        run_out()
        assert second.hold() is None
        assert "led last and did not let go" in (second.obstacle() or "")
        with pytest.raises(Fenced):
            first.append(a_hold())
        assert first.hold() == 2
        first.let_go()
        assert second.hold() == 3

    def test_a_person_may_let_another_version_take_over(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first, second = contend(FIRST), contend(NEWER, adopt=True)
        first.hold()
        assert second.hold() is None
        run_out()
        assert second.hold() == 2

    def test_serving_a_request_needs_the_lease(
        self, contend: Contend, run_out: Callable[[], None]
    ) -> None:
        first, second = contend(FIRST), contend(SECOND)
        first.hold()
        wanted = first.request("rebalance")
        run_out()
        second.hold()
        with pytest.raises(Fenced):
            first.serve(wanted)
        assert not second.is_served(wanted)
        second.serve(wanted)
        assert second.is_served(wanted)
