"""A toy venue, whole: the example of docs/adding-a-venue.md, which shows these very files."""
