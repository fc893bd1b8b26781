"""History on demand: what is wanted and not stored is planned, priced, fetched and stored, once."""
