-- Version 4 of the journal: who may act on it, and until when. Time is SQLite's own.

CREATE VIEW clock AS
SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now_ms;

-- One row for the whole file: the right to act on it, looked at by every append.
CREATE TABLE lease (
  name        TEXT PRIMARY KEY,
  holder      TEXT NOT NULL,     -- '' when nobody led yet, or the last leader let go
  epoch       INTEGER NOT NULL CHECK (epoch >= 0),
  version     TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  expires_ms  INTEGER NOT NULL,
  locked      INTEGER NOT NULL CHECK (locked IN (0, 1))  -- the holder has the file's lock, too
) STRICT, WITHOUT ROWID;
INSERT INTO lease VALUES ('journal', '', 0, '', '', 0, 0);

-- A fence that could go back would let an old leader through.
CREATE TRIGGER epoch_only_rises BEFORE UPDATE ON lease
WHEN NEW.epoch < OLD.epoch OR NEW.name <> OLD.name
  OR (NEW.epoch = OLD.epoch AND NEW.holder NOT IN (OLD.holder, ''))
BEGIN SELECT RAISE(ABORT, 'a lease changes hands with a higher epoch only'); END;
CREATE TRIGGER lease_is_kept BEFORE DELETE ON lease
BEGIN SELECT RAISE(ABORT, 'a lease is never forgotten: its epoch fences old leaders'); END;
