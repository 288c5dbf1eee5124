from msgspec.structs import replace

from keeper.cli import fleet_view
from keeper.model.lease import Shard, Tenure

LEADS = Tenure("10/0xabc", "host-a:17:9f", 4, "0.1.0", "abcdef0123456789", 11.24)
FREE = Tenure("1/0xabc", "", 0, "", "", 0.0)
SHARDS = (
    Shard(LEADS, 1),
    Shard(LEADS, 0, "by hand"),
    Shard(replace(LEADS, expires_in_s=-75.4), 0),
    Shard(FREE, 0),
    Shard(LEADS, unreadable='relation "x" does not exist'),
)


def test_every_shard_has_a_line() -> None:
    head, leads, halted, dead, free, lost = fleet_view.text(SHARDS).splitlines()
    assert head.split() == [*fleet_view.HEAD]
    assert leads.split("  ")[0] == "10/0xabc"
    assert "host-a:17:9f  4      0.1.0    abcdef01  11.2 s left" in leads
    assert leads.endswith("1     trading")
    assert halted.endswith("HALTED: by hand")
    assert "nobody" in dead
    assert "over for 75 s" in dead
    assert dead.endswith("nobody looks")
    assert "free" in free
    assert lost.endswith('?     unreadable: relation "x" does not exist')


def test_programs_get_unknowns_as_null() -> None:
    leads, _, dead, free, lost = (fleet_view.document(shard) for shard in SHARDS)
    assert (leads["leader"], leads["epoch"], leads["open"]) == ("host-a:17:9f", 4, 1)
    assert (dead["leader"], dead["last_holder"]) == (None, "host-a:17:9f")
    assert (free["last_holder"], free["expires_in_s"], free["version"]) == (None, None, None)
    assert (lost["open"], lost["halted"]) == (None, None)
