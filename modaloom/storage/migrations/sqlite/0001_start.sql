-- Foreign ids are text once, in item and shopper, and small whole numbers everywhere else.

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO counter (name, value) VALUES ('catalogue', 0), ('interaction', 0), ('showing', 0);

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- version 0: known only because somebody did something with it; content is null where there is no such item (any more)
CREATE TABLE item (
    item_num INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 0,
    content TEXT
);

CREATE UNIQUE INDEX item_version ON item (version) WHERE version > 0;

CREATE TABLE shopper (
    user_num INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    language TEXT,
    personalise INTEGER NOT NULL DEFAULT 1,
    attributes TEXT NOT NULL DEFAULT '{}',
    taste TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE interaction (
    num INTEGER PRIMARY KEY,
    user_num INTEGER NOT NULL REFERENCES shopper,
    item_num INTEGER REFERENCES item,
    event INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    value REAL,
    query TEXT,
    session_id TEXT,
    event_id TEXT UNIQUE
);

CREATE INDEX interaction_history ON interaction (user_num, timestamp, num);
CREATE INDEX interaction_count ON interaction (event, timestamp, item_num);

CREATE TABLE feedback (
    num INTEGER PRIMARY KEY,
    user_num INTEGER NOT NULL REFERENCES shopper,
    item_num INTEGER NOT NULL REFERENCES item,
    kind TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    UNIQUE (user_num, item_num, kind)
);

CREATE TABLE wardrobe (
    num INTEGER PRIMARY KEY,
    user_num INTEGER NOT NULL REFERENCES shopper,
    entry_id TEXT NOT NULL,
    item_num INTEGER REFERENCES item,
    title TEXT NOT NULL,
    attributes TEXT NOT NULL,
    photo TEXT,
    timestamp INTEGER NOT NULL,
    UNIQUE (user_num, entry_id),
    UNIQUE (user_num, item_num)
);

CREATE TABLE consent (
    num INTEGER PRIMARY KEY,
    user_num INTEGER NOT NULL REFERENCES shopper,
    purpose TEXT NOT NULL,
    granted INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE INDEX consent_user ON consent (user_num, timestamp, num);

-- one list that was shown, and below the items in it
CREATE TABLE showing (
    showing_num INTEGER PRIMARY KEY,
    user_num INTEGER NOT NULL REFERENCES shopper,
    request_id TEXT NOT NULL,
    place TEXT NOT NULL,
    bundle TEXT NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE INDEX showing_user ON showing (user_num, timestamp, showing_num);
CREATE INDEX showing_time ON showing (timestamp);

CREATE TABLE exposure (
    showing_num INTEGER NOT NULL REFERENCES showing,
    position INTEGER NOT NULL,
    item_num INTEGER NOT NULL REFERENCES item,
    rank INTEGER NOT NULL,
    explored INTEGER NOT NULL,
    PRIMARY KEY (showing_num, position)
) WITHOUT ROWID;
