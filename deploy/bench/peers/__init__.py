"""Programs that do the same with other means; each runs as a process of its own and reads one JSON file."""
