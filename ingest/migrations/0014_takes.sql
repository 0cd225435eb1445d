-- Which takes are committed, for whoever did not hear the answer to a COMMIT. Numbers of transactions do not tell: after a
-- crash the database gives those that it had not yet written down to others.

CREATE TABLE takes (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token bigint NOT NULL
);
COMMENT ON TABLE takes IS
    'the newest takes of ingest, each with a random number that it locks (advisory) and inserts in its transaction';
