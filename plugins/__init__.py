"""Systems and parts beyond the built-in ones; each registers through the entry point group `hvpkit`."""
