"""Lets the tests here import the benchmarks, which are no part of what is installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
