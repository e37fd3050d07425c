CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

-- What is sold. `expertise`: whom its page asks for (910).
CREATE TABLE products (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, summary TEXT NOT NULL, description TEXT NOT NULL,
    price_cents INTEGER NOT NULL, expertise TEXT
) STRICT;

-- Customer information 324, with phone number 326 and VoIP address 328.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, address TEXT NOT NULL, phone TEXT, voip TEXT,
    password_hash TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;

-- Representative information 331: availability 337 (mode, serving, lease), phone 334 or VoIP address 336. `missed_at`: set aside since then.
CREATE TABLE representatives (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, skills TEXT NOT NULL, password_hash TEXT NOT NULL,
    mode TEXT NOT NULL DEFAULT 'off', since INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0,
    serving TEXT, notice TEXT, missed_at INTEGER
) STRICT;

CREATE TABLE desk_sessions (
    tag BLOB PRIMARY KEY, representative TEXT NOT NULL REFERENCES representatives (id), created_at INTEGER NOT NULL
) STRICT;

-- Who looks at the wallboard.
CREATE TABLE supervisors (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, password_hash TEXT NOT NULL
) STRICT;

CREATE TABLE supervisor_sessions (
    tag BLOB PRIMARY KEY, supervisor TEXT NOT NULL REFERENCES supervisors (id), created_at INTEGER NOT NULL
) STRICT;

-- Call request messages (Fig. 7) and where each stands. `overflow`: the address that is rung where no representative was there;
-- `notes`: the representative's, while they talk; `written`: nothing is owed of it, the result is there or there is none.
CREATE TABLE requests (
    id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, desired_at INTEGER,
    stage TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT,
    address TEXT NOT NULL, customer INTEGER REFERENCES customers (id), source TEXT NOT NULL, wanted TEXT,
    page TEXT, note TEXT, representative TEXT REFERENCES representatives (id),
    equipment TEXT, call TEXT, cancelled INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0,
    bridged_at INTEGER, ended_at INTEGER, overflow TEXT, notes TEXT NOT NULL DEFAULT '', written INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX requests_open ON requests (due_at, created_at) WHERE stage <> 'ended';
CREATE INDEX requests_address ON requests (address, created_at);
CREATE INDEX requests_source ON requests (source, created_at);
CREATE INDEX requests_customer ON requests (customer, created_at);
CREATE INDEX requests_owed ON requests (representative, created_at) WHERE written = 0;
CREATE INDEX requests_day ON requests (ended_at) WHERE stage = 'ended';

-- The states that a request entered, numbered, for who follows it.
CREATE TABLE events (
    request TEXT NOT NULL REFERENCES requests (id), sequence INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (request, sequence)
) STRICT, WITHOUT ROWID;

-- Order information 321: from the shopping cart, or as a purchase order from the desk (614).
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, customer INTEGER REFERENCES customers (id), customer_text TEXT NOT NULL,
    product TEXT NOT NULL REFERENCES products (id), quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL,
    representative TEXT REFERENCES representatives (id), request TEXT UNIQUE REFERENCES requests (id), note TEXT NOT NULL
) STRICT;

-- Complaints and other information from the desk (614); complaints wait until somebody has handled them (616).
CREATE TABLE reports (
    id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    representative TEXT NOT NULL REFERENCES representatives (id), request TEXT NOT NULL REFERENCES requests (id),
    handled_at INTEGER, handled_by TEXT REFERENCES representatives (id)
) STRICT;
CREATE INDEX reports_open ON reports (created_at) WHERE handled_at IS NULL;
