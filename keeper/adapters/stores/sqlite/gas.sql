-- Version 2 of the journal: it remembers how cheap and dear gas alternate.

-- The newest estimate of each book; outlives the decisions that it came from.
CREATE TABLE gas (
  book  TEXT PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
