"""`[journal]` in keeper.toml with type = "postgres"; needs no client library to be read."""

from msgspec import Struct

from keeper.adapters.event_log import KEEP_HOLDS_S
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.lease import LEASE_S
from keeper.model.secret import Secret


class PostgresConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="postgres"):
    """`[journal]` in keeper.toml with `type = "postgres"`."""

    url: Secret
    """`postgresql://…`; `${NAME}` is filled from the environment, for it holds a password."""
    account: Address
    """Whose transactions are remembered: the signer's. With the chain it names the shard."""
    lease_s: float = LEASE_S
    """How long a keeper leads after its last sign of life; another one takes over then."""
    answer_s: float = 5.0
    """Longest wait for the database; beyond it nothing is signed."""
    keep_holds_s: int = KEEP_HOLDS_S
    """How long decisions that changed nothing are kept; what was acted on is kept for ever."""

    def __post_init__(self) -> None:
        """Refuse what is no address of a PostgreSQL database."""
        if not self.url.reveal().startswith(("postgresql://", "postgres://")):
            raise ConfigError(
                "the database's address cannot be understood",
                remedy="write postgresql://user:password@host:5432/database into the environment",
            )
