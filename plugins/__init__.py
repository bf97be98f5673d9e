"""Systems and components beyond the built-in ones, registered through the entry point group `hvpkit`."""
