"""A seeded city of devices whose readings look like a city's day, with faults as a wrapper around it."""
