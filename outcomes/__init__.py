"""Cohorts, metrics, statistics, comparison with a publication, and the report."""
