"""Who leads which shard, as text. Pure."""

from keeper.model.lease import Shard, Tenure

HEAD = ("shard", "leader", "epoch", "version", "config", "lease", "open", "state")
SHORT_HASH = 8


def text(shards: tuple[Shard, ...]) -> str:
    """Return one line for each shard, under a head."""
    rows = [HEAD, *(_row(shard) for shard in shards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def document(shard: Shard) -> dict[str, object]:
    """Return one shard for programs."""
    tenure = shard.tenure
    return {
        "shard": tenure.name,
        "leader": tenure.holder if tenure.is_live else None,
        "last_holder": tenure.holder or None,
        "epoch": tenure.epoch,
        "version": tenure.version or None,
        "config_hash": tenure.config_hash or None,
        "expires_in_s": tenure.expires_in_s if tenure.holder else None,
        "open": shard.open_intents,
        "halted": shard.halted,
        "unreadable": shard.unreadable,
    }


def _row(shard: Shard) -> tuple[str, ...]:
    tenure = shard.tenure
    return (
        tenure.name,
        tenure.holder if tenure.is_live else "nobody",
        str(tenure.epoch),
        tenure.version or "-",
        tenure.config_hash[:SHORT_HASH] or "-",
        _lease(tenure),
        "?" if shard.open_intents is None else str(shard.open_intents),
        _state(shard),
    )


def _lease(tenure: Tenure) -> str:
    if not tenure.holder:
        return "free"
    if tenure.is_live:
        return f"{tenure.expires_in_s:.1f} s left"
    return f"over for {-tenure.expires_in_s:.0f} s"


def _state(shard: Shard) -> str:
    if shard.unreadable is not None:
        return f"unreadable: {shard.unreadable}"
    if shard.halted is not None:
        return f"HALTED: {shard.halted}"
    return "trading" if shard.tenure.is_live else "nobody looks"
