"""`python -m hvpkit` is `hvp`."""

from hvpkit.cli import main

main()
