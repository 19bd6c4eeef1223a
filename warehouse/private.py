"""Files that nobody else may read: what is made while a block runs is 0600, and folders are 0700."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_files() -> Iterator[None]:
    """Make new files 0600 and folders 0700 while the block runs; DuckDB itself leaves that to the umask."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
