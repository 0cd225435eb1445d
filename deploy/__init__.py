"""Composition root and operations: settings, embedded servers, supervisor and command line."""
