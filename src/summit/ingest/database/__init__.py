"""Changes of databases: one collector over sources that each know one kind of database."""
