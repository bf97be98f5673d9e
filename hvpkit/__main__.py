"""Entry point of `python -m hvpkit`, which is the same as `hvp`."""

from hvpkit.cli import main

main()
