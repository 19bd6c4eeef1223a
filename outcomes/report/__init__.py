"""The report: one self-contained HTML file from the published release; page.py writes it."""
