-- Version 6 of the journal: fewer pages in the commit before a send. What has a text for a key is
-- kept in the order of it, so that a row and its key are one page; and an intent's events are
-- looked for in the log from its own on, so that the log needs no index of them.

-- The tables are made anew: what names them is dropped first and made again.
DROP TRIGGER intent_is_final;
DROP TRIGGER intent_settles_once;
DROP TRIGGER intent_is_kept;
DROP TRIGGER attempt_keeps_its_slot;
DROP TRIGGER attempt_needs_an_open_intent;
DROP TRIGGER attempt_needs_trading;
DROP TRIGGER attempt_is_final;
DROP TRIGGER attempt_is_kept;

CREATE TABLE next_intent (
  seq           INTEGER NOT NULL,
  id            TEXT PRIMARY KEY,
  book          TEXT NOT NULL,
  account       TEXT NOT NULL,
  signed_at_ms  INTEGER,      -- of its newest attempt
  settled_seq   INTEGER,
  settled_at_ms INTEGER,
  status        TEXT CHECK (status IN (
    'done', 'failed', 'out_of_gas', 'cancelled', 'no_effect', 'wrong_effect', 'unfilled',
    'abandoned', 'displaced'
  )),
  gas_used      INTEGER,
  gas_usd       REAL,
  withdraws     TEXT,         -- the order that it takes back; NULL for a trade
  CHECK ((status IS NULL) = (settled_seq IS NULL)),
  CHECK ((status IS NULL) = (settled_at_ms IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO next_intent
  SELECT seq, id, book, account, signed_at_ms, settled_seq, settled_at_ms, status, gas_used,
    gas_usd, withdraws
  FROM intent;
DROP TABLE intent;
ALTER TABLE next_intent RENAME TO intent;

CREATE TABLE next_attempt (
  seq       INTEGER NOT NULL,
  hash      TEXT PRIMARY KEY,
  intent_id TEXT NOT NULL REFERENCES slot (intent_id),
  nonce     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO next_attempt SELECT seq, hash, intent_id, nonce FROM attempt;
DROP TABLE attempt;
ALTER TABLE next_attempt RENAME TO attempt;

DROP INDEX event_of_intent;

CREATE UNIQUE INDEX one_open_intent ON intent (account)
  WHERE status IS NULL AND withdraws IS NULL;
-- Beside the trade whose order it takes back; its nonce is its own.
CREATE UNIQUE INDEX one_open_withdrawal ON intent (account)
  WHERE status IS NULL AND withdraws IS NOT NULL;
-- When a book traded last. What is open is found by the two above, and is not in here: it is
-- signed when nothing else may be waited for.
CREATE INDEX intent_signed ON intent (book, signed_at_ms)
  WHERE signed_at_ms IS NOT NULL AND status IS NOT NULL;
-- With the gas: its sum over a day is read before every decision, from the index alone.
CREATE INDEX intent_settled ON intent (book, settled_at_ms, gas_usd)
  WHERE settled_at_ms IS NOT NULL;
-- Trades mined and reverted: they are counted before every decision, and there are few.
CREATE INDEX intent_reverted ON intent (book, settled_at_ms, settled_seq, status)
  WHERE status IN ('failed', 'out_of_gas') AND gas_used > 0 AND withdraws IS NULL;

CREATE TRIGGER intent_is_final BEFORE UPDATE OF seq, id, book, account, withdraws ON intent
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER intent_settles_once BEFORE UPDATE ON intent WHEN OLD.status IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'this intent was settled already'); END;
CREATE TRIGGER intent_is_kept BEFORE DELETE ON intent
BEGIN SELECT RAISE(ABORT, 'an intent is never forgotten'); END;

-- Each row points at the event that is written right after it. A foreign key would say so, too, but
-- for every event SQLite would look through all rows for those that wait for it.
CREATE TRIGGER intent_begins_next BEFORE INSERT ON intent
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'an intent begins with the next event'); END;
CREATE TRIGGER intent_settles_next BEFORE UPDATE OF settled_seq ON intent
WHEN NEW.settled_seq <> (SELECT max(seq) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'an intent is settled by the next event'); END;
CREATE TRIGGER attempt_is_next BEFORE INSERT ON attempt
WHEN NEW.seq <> (SELECT max(seq) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'bytes are signed in the next event'); END;

CREATE TRIGGER attempt_keeps_its_slot BEFORE INSERT ON attempt
WHEN NEW.nonce <> (SELECT nonce FROM slot WHERE intent_id = NEW.intent_id)
BEGIN SELECT RAISE(ABORT, 'an intent keeps its nonce in every attempt'); END;
CREATE TRIGGER attempt_needs_an_open_intent BEFORE INSERT ON attempt
WHEN (SELECT status FROM intent WHERE id = NEW.intent_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'nothing is signed for a settled intent'); END;
-- The keeper looks before it signs; a halt that lands between that look and this commit wins, too.
CREATE TRIGGER attempt_needs_trading BEFORE INSERT ON attempt
WHEN (
  SELECT kind FROM event WHERE kind IN ('Halted', 'Resumed') ORDER BY seq DESC LIMIT 1
) = 'Halted'
BEGIN SELECT RAISE(ABORT, 'trading is halted: nothing is signed'); END;
CREATE TRIGGER attempt_is_final BEFORE UPDATE ON attempt
BEGIN SELECT RAISE(ABORT, 'signed bytes do not change'); END;
CREATE TRIGGER attempt_is_kept BEFORE DELETE ON attempt
BEGIN SELECT RAISE(ABORT, 'signed bytes are never forgotten'); END;
