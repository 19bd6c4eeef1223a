"""How much a command says, as chosen on the command line before the command's name."""

import logging
from dataclasses import dataclass


@dataclass(slots=True)
class Verbosity:
    """Quiet: failures alone. Verbose: also what was built and checked, and what libraries tell."""

    is_quiet: bool = False
    is_verbose: bool = False
    is_json: bool = False

    @property
    def level(self) -> int:
        """From which level on events are logged."""
        if self.is_quiet:
            return logging.WARNING
        return logging.DEBUG if self.is_verbose else logging.INFO


# One process runs one command: the options before its name hold for everything that it imports.
CHOSEN = Verbosity()
