-- Every policy (weights, goalposts, coverage, windows) that vital signs were made with, and when each came into force.

CREATE TABLE policies (
    version       text PRIMARY KEY,
    text          text NOT NULL,
    first_used_at timestamptz NOT NULL
);
COMMENT ON TABLE policies IS 'version = methodVersion of the values; text: the whole policy as TOML';

CREATE TABLE policy_changes (
    at      timestamptz PRIMARY KEY,
    version text NOT NULL REFERENCES policies (version)
);
COMMENT ON TABLE policy_changes IS 'from which tick on a policy was in force; before the first, the first';
