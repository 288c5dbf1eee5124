-- Version 1 of what all shards of one database share: who leads each of them.

-- The right to act on one shard. Whoever appends renews it in the same transaction, so its row is
-- also the lock that puts all writers of a shard in one line. Time is the server's own.
CREATE TABLE keeper_fleet.lease (
  name        TEXT PRIMARY KEY,       -- chain id / account
  shard       TEXT NOT NULL UNIQUE,   -- its schema in this database
  holder      TEXT NOT NULL,          -- '' when nobody led yet, or the last leader let go
  epoch       BIGINT NOT NULL CHECK (epoch >= 0),
  version     TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  taken_at    TIMESTAMPTZ NOT NULL,
  expires_at  TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);  -- a renewal finds its new row version on the same page

CREATE FUNCTION keeper_fleet.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;

-- A fence that could go back would let an old leader through.
CREATE TRIGGER epoch_only_rises BEFORE UPDATE ON keeper_fleet.lease FOR EACH ROW
WHEN (NEW.epoch < OLD.epoch OR NEW.name <> OLD.name OR NEW.shard <> OLD.shard
  OR (NEW.epoch = OLD.epoch AND NEW.holder NOT IN (OLD.holder, '')))
EXECUTE FUNCTION keeper_fleet.refuse('a lease changes hands with a higher epoch only');
CREATE TRIGGER lease_is_kept BEFORE DELETE ON keeper_fleet.lease FOR EACH ROW
EXECUTE FUNCTION keeper_fleet.refuse('a lease is never forgotten: its epoch fences old leaders');
