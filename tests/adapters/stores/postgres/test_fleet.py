"""All shards of one database at a look; see tests/cli/test_fleet.py for what people see of it."""

import pytest
from msgspec.structs import replace

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.fleet import look
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError
from keeper.model.events import Halted, Intended, Resumed
from keeper.model.lease import Candidate
from keeper.testing.conformance.journal_events import NOW_MS, OTHER_ACCOUNT, an_intent


def test_a_database_without_keepers_is_no_fleet(config: PostgresConfig) -> None:
    with pytest.raises(ConfigError, match="no fleet"):
        look(config.url, patience_s=5.0)


def test_each_shard_is_seen_by_itself(config: PostgresConfig) -> None:
    other = replace(config, account=OTHER_ACCOUNT)
    with (
        PostgresJournal.acting(config, ChainId(1), Candidate("a", "1", "x")) as first,
        PostgresJournal.acting(other, ChainId(1), Candidate("b")) as second,
        PostgresJournal.contending(config, ChainId(2), Candidate("c")),
    ):
        first.append(Intended(an_intent(), NOW_MS))
        second.append(Halted("one", NOW_MS), Resumed("two", NOW_MS), Halted("three", NOW_MS))
        shards = {shard.tenure.name: shard for shard in look(config.url, patience_s=5.0)}
    assert len(shards) == 3
    leads, halted = shards[f"1/{config.account}"], shards[f"1/{OTHER_ACCOUNT}"]
    free = shards[f"2/{config.account}"]
    assert (leads.tenure.holder, leads.tenure.version, leads.open_intents) == ("a", "1", 1)
    assert (halted.halted, halted.open_intents) == ("three", 0)
    assert (free.tenure.is_live, free.tenure.epoch) == (False, 0)
