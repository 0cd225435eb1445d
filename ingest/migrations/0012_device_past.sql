-- What devices were before they changed, so that a minute of the past is made with the registry as it was then.

CREATE TABLE device_past (
    device     integer NOT NULL REFERENCES devices (key),
    until      timestamptz NOT NULL,
    area       text NOT NULL,
    attributes jsonb NOT NULL,
    PRIMARY KEY (device, until)
);
CREATE INDEX device_past_until ON device_past (until);
COMMENT ON TABLE device_past IS
    'what a device was till before the instant until; what it is since its newest change stands in devices, what it was '
    'first counts from registered_at, or from its first stored reading if that is older';
COMMENT ON COLUMN device_past.attributes IS 'measures, reportingInterval and retired: what vital signs depend on';

CREATE FUNCTION keep_device_past() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_past (device, until, area, attributes)
    VALUES (OLD.key, now(), OLD.area, jsonb_strip_nulls(jsonb_build_object(
        'measures', OLD.attributes -> 'measures',
        'reportingInterval', OLD.attributes -> 'reportingInterval',
        'retired', OLD.attributes -> 'retired')))
    ON CONFLICT DO NOTHING; -- changed twice in one transaction: what was in between never was
    RETURN NULL;
END $$;
CREATE TRIGGER device_past AFTER UPDATE ON devices FOR EACH ROW
    WHEN (OLD.area IS DISTINCT FROM NEW.area
       OR OLD.attributes -> 'measures' IS DISTINCT FROM NEW.attributes -> 'measures'
       OR OLD.attributes -> 'reportingInterval' IS DISTINCT FROM NEW.attributes -> 'reportingInterval'
       OR OLD.attributes -> 'retired' IS DISTINCT FROM NEW.attributes -> 'retired')
    EXECUTE FUNCTION keep_device_past();
