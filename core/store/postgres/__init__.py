"""The store in PostgreSQL or TimescaleDB. Everything here blocks and imports psycopg: import it when it is used."""
