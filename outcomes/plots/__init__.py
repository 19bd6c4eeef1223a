"""The report's figures as inline SVG: reproducible, readable without color, and named for screen readers."""
