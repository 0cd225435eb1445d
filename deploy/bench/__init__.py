"""Side by side: cityvitals, the limit its parts set, and its peers, in one run on the same data."""
