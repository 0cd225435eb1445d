-- The tables that do not depend on the kinds; each stream's hypertable is made from its declaration.

CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE SCHEMA IF NOT EXISTS readings;
COMMENT ON SCHEMA readings IS 'each stream as people want it: device by its id, seq null when absent';

CREATE TABLE devices (
    key           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            text NOT NULL UNIQUE,
    kind          text NOT NULL,
    area          text NOT NULL,
    lon           double precision,
    lat           double precision,
    name          text,
    attributes    jsonb NOT NULL DEFAULT '{}',
    status        text CHECK (status IN ('online', 'offline')),
    registered_at timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_kind_area ON devices (kind, area);
COMMENT ON TABLE devices IS 'the registry: what each device is and where it stands';

CREATE TABLE ledger (
    stream         text PRIMARY KEY,
    stored         bigint NOT NULL DEFAULT 0 CHECK (stored >= 0),
    duplicate      bigint NOT NULL DEFAULT 0 CHECK (duplicate >= 0),
    rejected       bigint NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    unknown_fields bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE ledger IS 'how every reading ended, moved in the transaction that ended it';

CREATE TABLE rejects (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    stream      text NOT NULL,
    device      text,
    reason      text NOT NULL,
    detail      text NOT NULL,
    payload     bytea NOT NULL,
    truncated   boolean NOT NULL DEFAULT false,
    resolved_at timestamptz,
    resolution  text CHECK (resolution IN ('stored', 'duplicate'))
);
CREATE INDEX rejects_open ON rejects (id) WHERE resolved_at IS NULL;
CREATE INDEX rejects_device ON rejects (device, id);
COMMENT ON TABLE rejects IS 'every reading refused, with reason and payload; resolved when a replay put it through';

CREATE TABLE vitals (
    area           text NOT NULL,
    index          text NOT NULL,
    at             timestamptz NOT NULL,
    revision       integer NOT NULL DEFAULT 0,
    value          double precision,
    score          double precision,
    coverage       double precision NOT NULL,
    freshness      double precision,
    state          text NOT NULL CHECK (state IN ('provisional', 'final')),
    reason         text,
    method_version text NOT NULL,
    computed_at    timestamptz NOT NULL
);
SELECT create_hypertable('vitals', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX vitals_identity ON vitals (area, index, at, revision);
CREATE INDEX vitals_time ON vitals USING brin (at);
COMMENT ON TABLE vitals IS 'one row a minute, area and index (composite, domain or indicator); every revision is kept';
