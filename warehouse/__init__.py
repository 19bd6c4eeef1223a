"""The DuckDB warehouse: raw segments, ledger, build, checks, publish."""
