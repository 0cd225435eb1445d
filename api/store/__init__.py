"""The queries of the API, one noun each: SQL in, plain values out."""
