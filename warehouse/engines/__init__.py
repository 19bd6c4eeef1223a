"""Where SELECT statements are run: DuckDB, which is embedded, or Spark on other machines."""
