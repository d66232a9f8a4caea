"""SQLite: triggers write each change into a table of the same database, which is read."""
