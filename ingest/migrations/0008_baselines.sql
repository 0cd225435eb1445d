-- What is usual and what is expected: baselines by day, forecasts of the next hours, and how good these were.

CREATE TABLE baselines (
    index   text NOT NULL,
    day     date NOT NULL,
    legend  smallint NOT NULL REFERENCES legends,
    made_at timestamptz NOT NULL DEFAULT now(),
    median  double precision[] NOT NULL,
    spread  double precision[] NOT NULL,
    weeks   smallint[] NOT NULL,
    PRIMARY KEY (index, day)
);
COMMENT ON TABLE baselines IS
    'an index at each hour of a local day, from the same hour of the weeks before; never changed, so that a day recomputed '
    'is compared with what it was compared with then';
COMMENT ON COLUMN baselines.median IS 'all areas of the legend at hour 0, then at hour 1, …; NaN = none';
COMMENT ON COLUMN baselines.spread IS 'median absolute deviation times 1.4826';
COMMENT ON COLUMN baselines.weeks IS 'how many weeks are behind it';

CREATE TABLE forecasts (
    index      text NOT NULL,
    at         timestamptz NOT NULL,
    step       smallint NOT NULL CHECK (step > 0),
    made_at    timestamptz NOT NULL DEFAULT now(),
    legend     smallint NOT NULL REFERENCES legends,
    point      double precision[] NOT NULL,
    low80      real[] NOT NULL,
    high80     real[] NOT NULL,
    low95      real[] NOT NULL,
    high95     real[] NOT NULL,
    baseline   real[] NOT NULL,
    trained_on smallint[] NOT NULL
);
SELECT create_hypertable('forecasts', by_range('at', INTERVAL '7 days'), create_default_indexes => false);
CREATE UNIQUE INDEX forecasts_identity ON forecasts (index, at, step);
COMMENT ON TABLE forecasts IS
    'an index (mean of an hour) as foretold from the hours before the instant at: that of [at + step − 1 h, at + step h), '
    'in all areas of the legend; NaN = none';
COMMENT ON COLUMN forecasts.trained_on IS 'hours with a value that the model was fitted on';

CREATE TABLE forecast_scores (
    index     text NOT NULL,
    at        timestamptz NOT NULL,
    legend    smallint NOT NULL REFERENCES legends,
    compared  smallint[] NOT NULL,
    error     double precision[] NOT NULL,
    naive     double precision[] NOT NULL,
    scale     double precision[] NOT NULL,
    inside80  smallint[] NOT NULL,
    inside95  smallint[] NOT NULL
);
SELECT create_hypertable('forecast_scores', by_range('at', INTERVAL '28 days'), create_default_indexes => false);
CREATE UNIQUE INDEX forecast_scores_identity ON forecast_scores (index, at);
COMMENT ON TABLE forecast_scores IS 'what came in the hour that begins at, against all forecasts of it, in all areas of the legend';
COMMENT ON COLUMN forecast_scores.compared IS 'forecasts of the hour, one for each step';
COMMENT ON COLUMN forecast_scores.error IS 'sum of their absolute errors';
COMMENT ON COLUMN forecast_scores.naive IS 'sum of the absolute errors of last week''s value in their place';
COMMENT ON COLUMN forecast_scores.scale IS 'mean absolute error of last week''s value over the eight weeks before';
