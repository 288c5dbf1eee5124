"""The tests' own database server starts for whoever runs them, and leaves nothing behind."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from keeper.testing import postgres_server
from keeper.testing.postgres_server import running_server


def folder_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def test_a_server_serves_one_database_per_test_and_is_gone_afterwards() -> None:
    with running_server() as server:
        one, other = server.new_database(), server.new_database()
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE mark (n INT)")
        with psycopg.connect(other) as connection:
            (found,) = connection.execute("SELECT to_regclass('mark')").fetchone() or ("none",)
            assert found is None
    assert not folder_of(one).exists()


def test_a_client_that_stays_does_not_keep_the_server_up() -> None:
    with running_server() as server:
        connection = psycopg.connect(server.url())
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


def test_programs_that_the_servers_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_whom = postgres_server._identity(tmp_path)
    monkeypatch.setattr(postgres_server, "_may_run", lambda *_: False)
    programs = postgres_server._programs(tmp_path, as_whom)
    assert programs.is_relative_to(tmp_path)
    assert (programs / "initdb").is_file()
