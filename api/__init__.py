"""Vital signs to people and services: REST, SSE and WebSocket over the pipeline's output and the database."""
