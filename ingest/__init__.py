"""From broker to durable tables: take, decode, write, commit, acknowledge, and account for every reading."""
