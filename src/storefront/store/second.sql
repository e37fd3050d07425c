-- From the first form to the second.
ALTER TABLE representatives ADD COLUMN missed_at INTEGER;
ALTER TABLE requests ADD COLUMN overflow TEXT;
ALTER TABLE requests ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
UPDATE requests SET written = 1 WHERE stage = 'ended' AND id NOT IN (SELECT serving FROM representatives WHERE serving IS NOT NULL);
CREATE TABLE supervisors (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, password_hash TEXT NOT NULL
) STRICT;
CREATE TABLE supervisor_sessions (
    tag BLOB PRIMARY KEY, supervisor TEXT NOT NULL REFERENCES supervisors (id), created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_owed ON requests (representative, created_at) WHERE written = 0;
CREATE INDEX requests_day ON requests (ended_at) WHERE stage = 'ended';
