"""Recorded traces: a folder of data files and a ``trace.toml`` that says what their columns mean (docs/traces.md)."""
