-- Version 1 of the journal, run inside one transaction.
--
-- `event` is the memory: append-only, each row hashed with the row before it. The tables after it
-- are an index of the log, kept in the same transaction; their constraints make a double
-- impossible in the database, whatever the program does. `hold` stands beside the log, because
-- decisions that changed nothing may be forgotten after a while and a hashed log may not.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  seq       INTEGER PRIMARY KEY,
  kind      TEXT NOT NULL,
  intent_id TEXT REFERENCES intent (id),
  tx_hash   TEXT REFERENCES attempt (hash),
  data      TEXT NOT NULL,   -- the event as JSON: the truth of this file
  prev_hash BLOB NOT NULL,
  hash      BLOB NOT NULL    -- sha256(prev_hash || data)
) STRICT;
CREATE INDEX event_of_intent ON event (intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX turn ON event (seq) WHERE kind IN ('Halted', 'Resumed');
CREATE INDEX acted_upon ON event (seq) WHERE kind = 'Decided';

-- A business promise: try one trade, once.
CREATE TABLE intent (
  seq           INTEGER PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  id            TEXT NOT NULL UNIQUE,
  book          TEXT NOT NULL,
  account       TEXT NOT NULL,
  signed_at_ms  INTEGER,      -- of its newest attempt
  settled_seq   INTEGER REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  settled_at_ms INTEGER,
  status        TEXT CHECK (status IN ('done', 'failed', 'no_effect', 'abandoned', 'displaced')),
  gas_used      INTEGER,
  gas_usd       REAL,
  CHECK ((status IS NULL) = (settled_seq IS NULL)),
  CHECK ((status IS NULL) = (settled_at_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_open_intent ON intent (account) WHERE status IS NULL;
CREATE INDEX intent_signed ON intent (book, signed_at_ms) WHERE signed_at_ms IS NOT NULL;
-- With the gas: its sum over a day is read before every decision, from the index alone.
CREATE INDEX intent_settled ON intent (book, settled_at_ms, gas_usd)
  WHERE settled_at_ms IS NOT NULL;

-- A nonce, bound to one intent for ever.
CREATE TABLE slot (
  chain_id  INTEGER NOT NULL,
  sender    TEXT NOT NULL,
  nonce     INTEGER NOT NULL CHECK (nonce >= 0),
  intent_id TEXT NOT NULL UNIQUE REFERENCES intent (id),
  PRIMARY KEY (chain_id, sender, nonce)
) STRICT, WITHOUT ROWID;

-- Signed bytes; the bytes themselves are in the event.
CREATE TABLE attempt (
  seq       INTEGER PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  hash      TEXT NOT NULL UNIQUE,
  intent_id TEXT NOT NULL REFERENCES slot (intent_id),
  nonce     INTEGER NOT NULL
) STRICT;
CREATE INDEX attempt_of_intent ON attempt (intent_id);

-- Nonces below these were used by somebody else.
CREATE TABLE adopted (
  seq    INTEGER PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  sender TEXT NOT NULL,
  nonce  INTEGER NOT NULL CHECK (nonce >= 0)
) STRICT;
CREATE INDEX adopted_of_sender ON adopted (sender, nonce);

CREATE TABLE hold (
  id        INTEGER PRIMARY KEY,
  after_seq INTEGER NOT NULL,  -- the newest event when it was written: places it in the log
  book      TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  data      TEXT NOT NULL
) STRICT;

-- The newest estimate of each book; outlives the decisions that it came from.
CREATE TABLE volatility (
  book  TEXT PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What a person asked for from another process.
CREATE TABLE request (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  command TEXT NOT NULL CHECK (command IN ('rebalance', 'flatten')),
  at_ms   INTEGER NOT NULL,
  served  INTEGER NOT NULL DEFAULT 0 CHECK (served IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX one_waiting_request ON request (command) WHERE served = 0;

CREATE TRIGGER meta_is_final BEFORE UPDATE ON meta
BEGIN SELECT RAISE(ABORT, 'a journal belongs to one chain for ever'); END;
CREATE TRIGGER meta_is_kept BEFORE DELETE ON meta
BEGIN SELECT RAISE(ABORT, 'a journal belongs to one chain for ever'); END;

CREATE TRIGGER event_is_final BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_is_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_follows BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'the event log has no gaps'); END;

CREATE TRIGGER intent_is_final BEFORE UPDATE OF seq, id, book, account ON intent
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER intent_settles_once BEFORE UPDATE ON intent WHEN OLD.status IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'this intent was settled already'); END;
CREATE TRIGGER intent_is_kept BEFORE DELETE ON intent
BEGIN SELECT RAISE(ABORT, 'an intent is never forgotten'); END;

CREATE TRIGGER slot_is_next BEFORE INSERT ON slot
WHEN NEW.nonce <> (
  SELECT max(nonce) FROM (
    SELECT nonce FROM (
      SELECT nonce + 1 AS nonce FROM slot
      WHERE chain_id = NEW.chain_id AND sender = NEW.sender ORDER BY slot.nonce DESC LIMIT 1
    )
    UNION ALL
    SELECT nonce FROM (
      SELECT nonce FROM adopted WHERE sender = NEW.sender ORDER BY nonce DESC LIMIT 1
    )
  )
)
BEGIN SELECT RAISE(ABORT, 'a new intent takes the next free nonce, no other'); END;
CREATE TRIGGER slot_is_final BEFORE UPDATE ON slot
BEGIN SELECT RAISE(ABORT, 'a nonce belongs to one intent for ever'); END;
CREATE TRIGGER slot_is_kept BEFORE DELETE ON slot
BEGIN SELECT RAISE(ABORT, 'a nonce belongs to one intent for ever'); END;

CREATE TRIGGER attempt_keeps_its_slot BEFORE INSERT ON attempt
WHEN NEW.nonce <> (SELECT nonce FROM slot WHERE intent_id = NEW.intent_id)
BEGIN SELECT RAISE(ABORT, 'an intent keeps its nonce in every attempt'); END;
CREATE TRIGGER attempt_needs_an_open_intent BEFORE INSERT ON attempt
WHEN (SELECT status FROM intent WHERE id = NEW.intent_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'nothing is signed for a settled intent'); END;
CREATE TRIGGER attempt_is_final BEFORE UPDATE ON attempt
BEGIN SELECT RAISE(ABORT, 'signed bytes do not change'); END;
CREATE TRIGGER attempt_is_kept BEFORE DELETE ON attempt
BEGIN SELECT RAISE(ABORT, 'signed bytes are never forgotten'); END;

CREATE TRIGGER adopted_is_ahead BEFORE INSERT ON adopted
WHEN NEW.nonce <= (SELECT max(nonce) FROM slot WHERE sender = NEW.sender)
  OR NEW.nonce < (SELECT max(nonce) FROM adopted WHERE sender = NEW.sender)
BEGIN SELECT RAISE(ABORT, 'the chain cannot be behind the nonces in the journal'); END;
CREATE TRIGGER adopted_is_final BEFORE UPDATE ON adopted
BEGIN SELECT RAISE(ABORT, 'an adopted nonce stays adopted'); END;
CREATE TRIGGER adopted_is_kept BEFORE DELETE ON adopted
BEGIN SELECT RAISE(ABORT, 'an adopted nonce stays adopted'); END;
