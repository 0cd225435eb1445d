-- What outdated final values of minutes, kept until those minutes are recomputed: a stop or a crash forgets none of it.

CREATE TABLE reopened (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    CHECK (since <= until)
);
COMMENT ON TABLE reopened IS
    'written in the transaction that stores late readings or sets or lifts a mark; what was observed from since to until '
    'is new to minutes that may be settled; deleted once they are recomputed';
