-- Version 3 of the journal: more ways to end, and a kill switch that no race gets past.

-- SQLite cannot change a CHECK: the table is made anew. Foreign keys are off during a step and
-- checked after it; what names the table is dropped first and made again.
DROP TRIGGER intent_is_final;
DROP TRIGGER intent_settles_once;
DROP TRIGGER intent_is_kept;
DROP TRIGGER attempt_needs_an_open_intent;

CREATE TABLE next_intent (
  seq           INTEGER PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  id            TEXT NOT NULL UNIQUE,
  book          TEXT NOT NULL,
  account       TEXT NOT NULL,
  signed_at_ms  INTEGER,      -- of its newest attempt
  settled_seq   INTEGER REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
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
) STRICT;
INSERT INTO next_intent
  SELECT seq, id, book, account, signed_at_ms, settled_seq, settled_at_ms, status, gas_used,
    gas_usd, NULL
  FROM intent;
DROP TABLE intent;
ALTER TABLE next_intent RENAME TO intent;

CREATE INDEX open_intent ON intent (account) WHERE status IS NULL;
CREATE UNIQUE INDEX one_open_intent ON intent (account)
  WHERE status IS NULL AND withdraws IS NULL;
-- Beside the trade whose order it takes back; its nonce is its own.
CREATE UNIQUE INDEX one_open_withdrawal ON intent (account)
  WHERE status IS NULL AND withdraws IS NOT NULL;
CREATE INDEX intent_signed ON intent (book, signed_at_ms) WHERE signed_at_ms IS NOT NULL;
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
CREATE TRIGGER attempt_needs_an_open_intent BEFORE INSERT ON attempt
WHEN (SELECT status FROM intent WHERE id = NEW.intent_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'nothing is signed for a settled intent'); END;

-- The keeper looks before it signs; a halt that lands between that look and this commit wins, too.
CREATE TRIGGER attempt_needs_trading BEFORE INSERT ON attempt
WHEN (
  SELECT kind FROM event WHERE kind IN ('Halted', 'Resumed') ORDER BY seq DESC LIMIT 1
) = 'Halted'
BEGIN SELECT RAISE(ABORT, 'trading is halted: nothing is signed'); END;

-- The newest code of each contract that was ever called.
CREATE INDEX code_seen ON event (seq) WHERE kind = 'CodeSeen';

-- The fourth identity: what a mined transaction left at a venue that fills later.
CREATE UNIQUE INDEX one_order ON event (intent_id) WHERE kind = 'Placed';
CREATE UNIQUE INDEX order_of_one_intent ON event (data ->> '$.order') WHERE kind = 'Placed';
