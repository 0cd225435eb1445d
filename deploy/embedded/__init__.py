"""The real Mosquitto and TimescaleDB in a private folder: fetched, started and stopped without installing."""
