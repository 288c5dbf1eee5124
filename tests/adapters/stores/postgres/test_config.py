import pytest

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret
from keeper.testing.conformance.journal_events import ACCOUNT


def test_an_address_of_another_kind_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="cannot be understood") as refused:
        PostgresConfig(url=Secret("mysql://keeper:hunter2@db/x"), account=ACCOUNT)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_names_of_the_scheme_are_known(scheme: str) -> None:
    assert PostgresConfig(url=Secret(f"{scheme}://db/x"), account=ACCOUNT).lease_s == 15.0
