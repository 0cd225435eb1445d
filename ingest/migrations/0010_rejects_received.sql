-- Rejects are counted by when they came, for the share of refused readings.

CREATE INDEX rejects_received ON rejects USING brin (received_at);
