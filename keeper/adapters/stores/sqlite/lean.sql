-- Version 5 of the journal: without indexes that others make up for. The commit before a send
-- writes a page for each index that its rows are in.

-- Decisions that were acted on are every few rows of the log.
DROP INDEX acted_upon;
-- The two unique ones on open intents have the same rows between them.
DROP INDEX open_intent;
-- The log has its own, and what was signed is in the log.
DROP INDEX attempt_of_intent;
