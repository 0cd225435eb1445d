-- Which MQTT packet a reject came in, so that the same packet sent again by the broker is told from a second message.

ALTER TABLE rejects
    ADD COLUMN packet_id     integer,
    ADD COLUMN packet_digest bigint,
    ADD COLUMN packet_item   integer,
    ADD COLUMN redelivered   boolean;
COMMENT ON COLUMN rejects.packet_id IS 'of QoS 1 messages; null for QoS 0 and before this was kept';
CREATE INDEX rejects_packet ON rejects (packet_digest, packet_id) WHERE packet_id IS NOT NULL;
