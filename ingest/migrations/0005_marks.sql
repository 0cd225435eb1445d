-- Ranges of a device's readings that somebody declared bad; the readings stay, processing leaves them out.

CREATE TABLE marks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device      integer NOT NULL REFERENCES devices (key),
    stream      text NOT NULL,
    "from"      timestamptz NOT NULL,
    "to"        timestamptz NOT NULL,
    reason      text NOT NULL,
    marked_by   text NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT now(),
    unmarked_by text,
    unmarked_at timestamptz,
    CHECK ("from" <= "to"),
    CHECK ((unmarked_at IS NULL) = (unmarked_by IS NULL))
);
CREATE INDEX marks_in_force ON marks (stream, device) WHERE unmarked_at IS NULL;
COMMENT ON TABLE marks IS 'readings of a device declared bad: who, when, why; both ends belong to the range';
