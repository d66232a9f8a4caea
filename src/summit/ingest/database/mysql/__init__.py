"""MySQL and MariaDB: a consistent snapshot, then the binary log."""
