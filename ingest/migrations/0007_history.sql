-- Vital signs as arrays: one row holds an index of all areas at one minute, so that a minute is some sixty rows instead of
-- one for every area and index. Roll-ups of quarter-hours, hours and days are made from the final minutes and outlive them.

CREATE TABLE legends (
    id      smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    areas   text[] NOT NULL,
    reasons text[] NOT NULL,
    digest  bytea NOT NULL UNIQUE
);
COMMENT ON TABLE legends IS 'what places in the arrays of vital signs mean: the n-th area, the reason of code n - 1';

CREATE TABLE legend_areas (
    legend smallint NOT NULL REFERENCES legends,
    label  smallint NOT NULL,
    area   text NOT NULL,
    PRIMARY KEY (legend, label)
);
CREATE INDEX legend_areas_area ON legend_areas (area);
COMMENT ON TABLE legend_areas IS 'the areas of a legend one by one; label counts from 0';

CREATE TABLE vital_minutes (
    index          text NOT NULL,
    at             timestamptz NOT NULL,
    version        integer NOT NULL,
    state          text NOT NULL CHECK (state IN ('provisional', 'final')),
    method_version text NOT NULL,
    computed_at    timestamptz NOT NULL,
    legend         smallint NOT NULL REFERENCES legends,
    label          smallint[],
    revision       smallint[],
    value          double precision[] NOT NULL,
    score          double precision[] NOT NULL,
    base           double precision[] NOT NULL,
    coverage       real[] NOT NULL,
    freshness      real[] NOT NULL,
    reason         smallint[] NOT NULL
);
SELECT create_hypertable('vital_minutes', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX vital_minutes_identity ON vital_minutes (at, index, version);
CREATE INDEX vital_minutes_index ON vital_minutes (index, at);
COMMENT ON TABLE vital_minutes IS
    'what was said of an index (composite, domain or indicator) at a minute, version by version, never changed: a version '
    'holds the areas it says something new of, a final one settles the minute for all; NaN = none';
COMMENT ON COLUMN vital_minutes.label IS 'places of the areas in the legend, from 0; null = all of them, in its order';
COMMENT ON COLUMN vital_minutes.revision IS 'how often an area''s value was changed before; null = never';
COMMENT ON COLUMN vital_minutes.base IS
    'denominator of a ratio of sums: value of an area = sum of value * base / sum of base over its parts';

CREATE TABLE vital_quarters (
    index          text NOT NULL,
    at             timestamptz NOT NULL,
    version        integer NOT NULL,
    state          text NOT NULL CHECK (state IN ('provisional', 'final')),
    method_version text NOT NULL,
    computed_at    timestamptz NOT NULL,
    legend         smallint NOT NULL REFERENCES legends,
    value_mean     double precision[] NOT NULL,
    value_min      double precision[] NOT NULL,
    value_max      double precision[] NOT NULL,
    value_last     double precision[] NOT NULL,
    score_mean     double precision[] NOT NULL,
    score_min      double precision[] NOT NULL,
    score_max      double precision[] NOT NULL,
    score_last     double precision[] NOT NULL,
    coverage       real[] NOT NULL,
    minutes        smallint[] NOT NULL,
    valued         smallint[] NOT NULL,
    scored         smallint[] NOT NULL,
    reason         smallint[] NOT NULL
);
COMMENT ON TABLE vital_quarters IS
    'an index over the minutes of [at, at + step), in all areas of the legend; every version is kept, NaN = none';
COMMENT ON COLUMN vital_quarters.coverage IS 'mean over the minutes';
COMMENT ON COLUMN vital_quarters.minutes IS 'minutes that said something of the area';
COMMENT ON COLUMN vital_quarters.valued IS 'minutes with a value';
COMMENT ON COLUMN vital_quarters.scored IS 'minutes with a score';
COMMENT ON COLUMN vital_quarters.reason IS 'of the last minute';
CREATE TABLE vital_hours (LIKE vital_quarters INCLUDING CONSTRAINTS INCLUDING COMMENTS);
CREATE TABLE vital_days (LIKE vital_quarters INCLUDING CONSTRAINTS INCLUDING COMMENTS);
COMMENT ON TABLE vital_hours IS 'as vital_quarters, made from them';
COMMENT ON TABLE vital_days IS 'as vital_quarters, made from vital_hours; days of the city''s own time';
SELECT create_hypertable('vital_quarters', by_range('at', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('vital_hours', by_range('at', INTERVAL '28 days'), create_default_indexes => false);
SELECT create_hypertable('vital_days', by_range('at', INTERVAL '364 days'), create_default_indexes => false);
CREATE UNIQUE INDEX vital_quarters_identity ON vital_quarters (index, at, version);
CREATE UNIQUE INDEX vital_hours_identity ON vital_hours (index, at, version);
CREATE UNIQUE INDEX vital_days_identity ON vital_days (index, at, version);

-- What was written one row an area goes over. A legend of its own: the areas in the order of their codes.
INSERT INTO legends (areas, reasons, digest)
SELECT array_agg(area ORDER BY area),
       ARRAY[NULL, 'no_devices', 'stale', 'coverage', 'no_readings', 'not_applicable'], '\x00'
  FROM (SELECT DISTINCT area FROM vitals) AS a HAVING count(*) > 0;
INSERT INTO legend_areas SELECT l.id, a.place - 1, a.area FROM legends l, unnest(l.areas) WITH ORDINALITY AS a (area, place);
INSERT INTO vital_minutes
SELECT v.index, v.at, 2 * v.revision + (v.state = 'final')::integer, v.state, max(v.method_version), max(v.computed_at),
       a.legend, array_agg(a.label ORDER BY a.label), array_agg(v.revision::smallint ORDER BY a.label),
       array_agg(coalesce(v.value, 'NaN') ORDER BY a.label), array_agg(coalesce(v.score, 'NaN') ORDER BY a.label),
       array_agg('NaN'::double precision), array_agg(v.coverage::real ORDER BY a.label),
       array_agg(coalesce(v.freshness, 'NaN')::real ORDER BY a.label),
       array_agg((coalesce(array_position(l.reasons, v.reason), 1) - 1)::smallint ORDER BY a.label)
  FROM vitals v JOIN legend_areas a USING (area) JOIN legends l ON l.id = a.legend
 GROUP BY v.index, v.at, v.revision, v.state, a.legend;
DROP TABLE vitals;

CREATE VIEW vitals AS
SELECT a.area, m.index, m.at, coalesce(u.revision, 0)::integer AS revision, nullif(u.value, 'NaN') AS value,
       nullif(u.score, 'NaN') AS score, nullif(u.base, 'NaN') AS base, u.coverage::double precision AS coverage,
       nullif(u.freshness, 'NaN')::double precision AS freshness, s.state, l.reasons[u.reason + 1] AS reason,
       m.method_version, m.computed_at
  FROM vital_minutes m
  JOIN legends l ON l.id = m.legend
 CROSS JOIN LATERAL (
     SELECT CASE WHEN m.state = 'final' OR EXISTS (
                SELECT FROM vital_minutes f WHERE f.index = m.index AND f.at = m.at AND f.state = 'final'
            ) THEN 'final' ELSE 'provisional' END AS state OFFSET 0
       ) AS s
 CROSS JOIN LATERAL unnest(m.label, m.revision, m.value, m.score, m.base, m.coverage, m.freshness, m.reason)
       WITH ORDINALITY AS u (label, revision, value, score, base, coverage, freshness, reason, place)
  JOIN legend_areas a ON a.legend = m.legend AND a.label = coalesce(u.label, u.place - 1)
 WHERE l.reasons[u.reason + 1] IS DISTINCT FROM 'no_devices';
COMMENT ON VIEW vitals IS 'one row a minute, area and index (composite, domain or indicator); every revision is kept';
