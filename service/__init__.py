"""Composition root: settings, the nightly story, the scheduler and the command line."""
