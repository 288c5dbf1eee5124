from keeper.engine.leadership import Leadership
from keeper.testing.leases import HandLease


def test_without_a_lease_it_always_leads() -> None:
    leadership = Leadership(None)
    assert leadership.is_leading
    assert leadership.leads()
    assert not leadership.is_new


def test_a_change_is_said_once() -> None:
    said: list[str | None] = []
    lease = HandLease()
    leadership = Leadership(lease, said.append)
    assert leadership.leads()
    assert leadership.leads()
    lease.taken_by("another")
    assert not leadership.leads()
    assert not leadership.leads()
    lease.free()
    assert leadership.leads()
    assert said == [None, "another leads", None]


def test_a_new_epoch_means_that_others_may_have_acted() -> None:
    lease = HandLease()
    leadership = Leadership(lease)
    leadership.leads()
    assert leadership.is_new
    leadership.leads()
    assert not leadership.is_new
    lease.epoch += 5
    leadership.leads()
    assert leadership.is_new


def test_a_fenced_write_is_the_end_of_a_time_in_office() -> None:
    said: list[str | None] = []
    leadership = Leadership(HandLease(), said.append)
    leadership.leads()
    assert leadership.is_leading
    leadership.lose("fenced")
    assert not leadership.is_leading
    assert said == [None, "fenced"]
    leadership.leads()
    assert leadership.is_new
