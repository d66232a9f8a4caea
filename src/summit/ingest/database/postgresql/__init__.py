"""PostgreSQL: logical replication by pgoutput, decoded here."""
