from keeper.testing.leases import HandLease


def test_a_lease_changes_hands_with_a_higher_epoch_only() -> None:
    lease = HandLease()
    assert (lease.hold(), lease.obstacle()) == (1, None)
    lease.taken_by("another")
    assert (lease.hold(), lease.obstacle()) == (None, "another leads")
    lease.let_go()
    assert (lease.hold(), lease.obstacle()) == (3, None)
