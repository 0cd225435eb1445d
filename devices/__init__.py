"""What the city sends: the contract of topics and readings, the kinds of sensors, the areas, and a simulated fleet."""
