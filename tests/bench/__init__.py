"""What is measured, each beside a peer or against a bar of its own: ``make bench``."""

import os

ROWS_VARIABLE = "BENCH_ROWS"
# Read before any bench imports the tests' environment, which replaces the caller's.
ROWS_PATH = os.environ.get(ROWS_VARIABLE)
