-- Version 1 of one shard's journal, run inside one transaction with the shard's schema as the
-- search path.
--
-- `event` is the memory: append-only, each row hashed with the row before it. The tables after it
-- are an index of the log, kept in the same transaction; their constraints make a double
-- impossible in the database, whatever the program does. `hold` stands beside the log, because
-- decisions that changed nothing may be forgotten after a while and a hashed log may not.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE event (
  seq       BIGINT PRIMARY KEY,
  kind      TEXT NOT NULL,
  intent_id TEXT,
  tx_hash   TEXT,
  data      TEXT NOT NULL,   -- the event as JSON, byte for byte as it was hashed
  prev_hash BYTEA NOT NULL,
  hash      BYTEA NOT NULL   -- sha256(prev_hash || data)
);
CREATE INDEX event_of_intent ON event (intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX turn ON event (seq) WHERE kind IN ('Halted', 'Resumed');
CREATE INDEX acted_upon ON event (seq) WHERE kind = 'Decided';
-- The newest code of each contract that was ever called.
CREATE INDEX code_seen ON event (seq) WHERE kind = 'CodeSeen';
-- The fourth identity: what a mined transaction left at a venue that fills later.
CREATE UNIQUE INDEX one_order ON event (intent_id) WHERE kind = 'Placed';
CREATE UNIQUE INDEX order_of_one_intent ON event ((data::json ->> 'order')) WHERE kind = 'Placed';

-- A business promise: try one trade, once.
CREATE TABLE intent (
  seq           BIGINT PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  id            TEXT NOT NULL UNIQUE,
  book          TEXT NOT NULL,
  account       TEXT NOT NULL,
  signed_at_ms  BIGINT,      -- of its newest attempt
  settled_seq   BIGINT REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  settled_at_ms BIGINT,
  status        TEXT CHECK (status IN (
    'done', 'failed', 'out_of_gas', 'cancelled', 'no_effect', 'wrong_effect', 'unfilled',
    'abandoned', 'displaced'
  )),
  gas_used      BIGINT,
  gas_usd       DOUBLE PRECISION,
  withdraws     TEXT,        -- the order that it takes back; NULL for a trade
  CHECK ((status IS NULL) = (settled_seq IS NULL)),
  CHECK ((status IS NULL) = (settled_at_ms IS NULL))
);
CREATE UNIQUE INDEX one_open_intent ON intent (account)
  WHERE status IS NULL AND withdraws IS NULL;
-- Beside the trade whose order it takes back; its nonce is its own.
CREATE UNIQUE INDEX one_open_withdrawal ON intent (account)
  WHERE status IS NULL AND withdraws IS NOT NULL;
CREATE INDEX intent_signed ON intent (book, signed_at_ms) WHERE signed_at_ms IS NOT NULL;
CREATE INDEX intent_settled ON intent (book, settled_at_ms) INCLUDE (gas_usd)
  WHERE settled_at_ms IS NOT NULL;

-- Trades mined and reverted: they are counted before every decision, and there are few.
CREATE INDEX intent_reverted ON intent (book, settled_at_ms, settled_seq, status)
  WHERE status IN ('failed', 'out_of_gas') AND gas_used > 0 AND withdraws IS NULL;

-- A nonce, bound to one intent for ever.
CREATE TABLE slot (
  chain_id  BIGINT NOT NULL,
  sender    TEXT NOT NULL,
  nonce     BIGINT NOT NULL CHECK (nonce >= 0),
  intent_id TEXT NOT NULL UNIQUE REFERENCES intent (id),
  PRIMARY KEY (chain_id, sender, nonce)
);

-- Signed bytes; the bytes themselves are in the event.
CREATE TABLE attempt (
  seq       BIGINT PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  hash      TEXT NOT NULL UNIQUE,
  intent_id TEXT NOT NULL REFERENCES slot (intent_id),
  nonce     BIGINT NOT NULL
);
CREATE INDEX attempt_of_intent ON attempt (intent_id);
ALTER TABLE event ADD FOREIGN KEY (intent_id) REFERENCES intent (id);
ALTER TABLE event ADD FOREIGN KEY (tx_hash) REFERENCES attempt (hash);

-- Nonces below these were used by somebody else.
CREATE TABLE adopted (
  seq    BIGINT PRIMARY KEY REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,
  sender TEXT NOT NULL,
  nonce  BIGINT NOT NULL CHECK (nonce >= 0)
);
CREATE INDEX adopted_of_sender ON adopted (sender, nonce);

CREATE TABLE hold (
  id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  after_seq BIGINT NOT NULL,  -- the newest event when it was written: places it in the log
  book      TEXT NOT NULL,
  at_ms     BIGINT NOT NULL,
  data      TEXT NOT NULL
);

-- The newest estimates of each book; they outlive the decisions that they came from.
CREATE TABLE volatility (
  book  TEXT PRIMARY KEY,
  state TEXT NOT NULL
);
CREATE TABLE gas (
  book  TEXT PRIMARY KEY,
  state TEXT NOT NULL
);

-- What a person asked for from another process.
CREATE TABLE request (
  id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  command TEXT NOT NULL CHECK (command IN ('rebalance', 'flatten')),
  at_ms   BIGINT NOT NULL,
  served  BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX one_waiting_request ON request (command) WHERE NOT served;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;

CREATE TRIGGER meta_is_final BEFORE UPDATE OR DELETE ON meta
FOR EACH ROW EXECUTE FUNCTION refuse('a journal belongs to one chain for ever');
CREATE TRIGGER event_is_final BEFORE UPDATE OR DELETE ON event
FOR EACH ROW EXECUTE FUNCTION refuse('the event log is append-only');
CREATE TRIGGER intent_is_final BEFORE UPDATE OF seq, id, book, account, withdraws ON intent
FOR EACH ROW EXECUTE FUNCTION refuse('an intent does not change');
CREATE TRIGGER intent_settles_once BEFORE UPDATE ON intent
FOR EACH ROW WHEN (OLD.status IS NOT NULL)
EXECUTE FUNCTION refuse('this intent was settled already');
CREATE TRIGGER intent_is_kept BEFORE DELETE ON intent
FOR EACH ROW EXECUTE FUNCTION refuse('an intent is never forgotten');
CREATE TRIGGER slot_is_final BEFORE UPDATE OR DELETE ON slot
FOR EACH ROW EXECUTE FUNCTION refuse('a nonce belongs to one intent for ever');
CREATE TRIGGER attempt_is_final BEFORE UPDATE OR DELETE ON attempt
FOR EACH ROW EXECUTE FUNCTION refuse('signed bytes do not change and are never forgotten');
CREATE TRIGGER adopted_is_final BEFORE UPDATE OR DELETE ON adopted
FOR EACH ROW EXECUTE FUNCTION refuse('an adopted nonce stays adopted');

CREATE TRIGGER meta_is_whole BEFORE TRUNCATE ON meta
EXECUTE FUNCTION refuse('a journal belongs to one chain for ever');
CREATE TRIGGER event_is_whole BEFORE TRUNCATE ON event
EXECUTE FUNCTION refuse('the event log is append-only');
CREATE TRIGGER intent_is_whole BEFORE TRUNCATE ON intent
EXECUTE FUNCTION refuse('an intent is never forgotten');
CREATE TRIGGER slot_is_whole BEFORE TRUNCATE ON slot
EXECUTE FUNCTION refuse('a nonce belongs to one intent for ever');
CREATE TRIGGER attempt_is_whole BEFORE TRUNCATE ON attempt
EXECUTE FUNCTION refuse('signed bytes do not change and are never forgotten');
CREATE TRIGGER adopted_is_whole BEFORE TRUNCATE ON adopted
EXECUTE FUNCTION refuse('an adopted nonce stays adopted');

-- A function keeps the search path it is made with: it can never look into another shard.
CREATE FUNCTION event_follows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event) THEN
    RAISE EXCEPTION 'the event log has no gaps' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER event_follows BEFORE INSERT ON event
FOR EACH ROW EXECUTE FUNCTION event_follows();

CREATE FUNCTION slot_is_next() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.nonce <> greatest(
    (SELECT max(nonce) + 1 FROM slot WHERE chain_id = NEW.chain_id AND sender = NEW.sender),
    (SELECT max(nonce) FROM adopted WHERE sender = NEW.sender)
  ) THEN
    RAISE EXCEPTION 'a new intent takes the next free nonce, no other'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER slot_is_next BEFORE INSERT ON slot
FOR EACH ROW EXECUTE FUNCTION slot_is_next();

CREATE FUNCTION attempt_fits() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.nonce <> (SELECT nonce FROM slot WHERE intent_id = NEW.intent_id) THEN
    RAISE EXCEPTION 'an intent keeps its nonce in every attempt'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (SELECT status FROM intent WHERE id = NEW.intent_id) IS NOT NULL THEN
    RAISE EXCEPTION 'nothing is signed for a settled intent'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  -- The keeper looks before it signs; a halt that lands between that look and this commit wins.
  IF (
    SELECT kind FROM event WHERE kind IN ('Halted', 'Resumed') ORDER BY seq DESC LIMIT 1
  ) = 'Halted' THEN
    RAISE EXCEPTION 'trading is halted: nothing is signed' USING ERRCODE = 'KH001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER attempt_fits BEFORE INSERT ON attempt
FOR EACH ROW EXECUTE FUNCTION attempt_fits();

CREATE FUNCTION adopted_is_ahead() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.nonce <= (SELECT max(nonce) FROM slot WHERE sender = NEW.sender)
    OR NEW.nonce < (SELECT max(nonce) FROM adopted WHERE sender = NEW.sender) THEN
    RAISE EXCEPTION 'the chain cannot be behind the nonces in the journal'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER adopted_is_ahead BEFORE INSERT ON adopted
FOR EACH ROW EXECUTE FUNCTION adopted_is_ahead();
