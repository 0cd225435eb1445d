-- How far each spool was moved into the tables; moved in the transaction that holds what was moved.

CREATE TABLE spool_positions (
    spool      uuid PRIMARY KEY,
    segment    bigint NOT NULL,
    "offset"   bigint NOT NULL,
    moved_at   timestamptz NOT NULL DEFAULT now()
);
