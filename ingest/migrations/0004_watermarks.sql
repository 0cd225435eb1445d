-- What is committed of each device's numbered readings, for the devices that asked to be told.

CREATE TABLE watermarks (
    device     integer NOT NULL,
    stream     text NOT NULL,
    since      timestamptz,
    committed  bigint NOT NULL,
    above      bigint[] NOT NULL DEFAULT '{}',
    highest    bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device, stream),
    CHECK (committed <= highest)
) WITH (fillfactor = 70);
COMMENT ON TABLE watermarks IS
    'moved in the transaction that stores or rejects the readings; above = first and last of each committed range beyond';
