-- Foreign ids are text once, in item and shopper, and small whole numbers everywhere else.

CREATE TABLE counter (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
) WITH (fillfactor = 50);

INSERT INTO counter (name, value) VALUES ('catalogue', 0), ('interaction', 0), ('showing', 0);

CREATE TABLE state (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

-- version 0: known only because somebody did something with it; content is null where there is no such item (any more)
CREATE TABLE item (
    item_num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id TEXT COLLATE "C" NOT NULL UNIQUE,
    version BIGINT NOT NULL DEFAULT 0,
    content TEXT
);

CREATE UNIQUE INDEX item_version ON item (version) WHERE version > 0;

CREATE TABLE shopper (
    user_num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL UNIQUE,
    language TEXT,
    personalise SMALLINT NOT NULL DEFAULT 1,
    attributes TEXT NOT NULL DEFAULT '{}',
    taste TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE interaction (
    num BIGINT PRIMARY KEY,
    user_num BIGINT NOT NULL REFERENCES shopper,
    item_num BIGINT REFERENCES item,
    event SMALLINT NOT NULL,
    timestamp BIGINT NOT NULL,
    value DOUBLE PRECISION,
    query TEXT,
    session_id TEXT COLLATE "C",
    event_id TEXT COLLATE "C" UNIQUE
);

CREATE INDEX interaction_history ON interaction (user_num, timestamp, num);
CREATE INDEX interaction_count ON interaction (event, timestamp, item_num);

CREATE TABLE feedback (
    num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_num BIGINT NOT NULL REFERENCES shopper,
    item_num BIGINT NOT NULL REFERENCES item,
    kind TEXT NOT NULL,
    timestamp BIGINT NOT NULL,
    UNIQUE (user_num, item_num, kind)
);

CREATE TABLE wardrobe (
    num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_num BIGINT NOT NULL REFERENCES shopper,
    entry_id TEXT COLLATE "C" NOT NULL,
    item_num BIGINT REFERENCES item,
    title TEXT NOT NULL,
    attributes TEXT NOT NULL,
    photo TEXT,
    timestamp BIGINT NOT NULL,
    UNIQUE (user_num, entry_id),
    UNIQUE (user_num, item_num)
);

CREATE TABLE consent (
    num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_num BIGINT NOT NULL REFERENCES shopper,
    purpose TEXT NOT NULL,
    granted SMALLINT NOT NULL,
    timestamp BIGINT NOT NULL
);

CREATE INDEX consent_user ON consent (user_num, timestamp, num);

-- one list that was shown, and below the items in it
CREATE TABLE showing (
    showing_num BIGINT PRIMARY KEY,
    user_num BIGINT NOT NULL REFERENCES shopper,
    request_id TEXT COLLATE "C" NOT NULL,
    place TEXT NOT NULL,
    bundle TEXT NOT NULL,
    timestamp BIGINT NOT NULL
);

CREATE INDEX showing_user ON showing (user_num, timestamp, showing_num);
CREATE INDEX showing_time ON showing (timestamp);

CREATE TABLE exposure (
    showing_num BIGINT NOT NULL REFERENCES showing,
    position BIGINT NOT NULL,
    item_num BIGINT NOT NULL REFERENCES item,
    rank BIGINT NOT NULL,
    explored SMALLINT NOT NULL,
    PRIMARY KEY (showing_num, position)
);
