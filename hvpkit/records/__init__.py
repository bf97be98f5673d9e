"""Parse records of users' files, and log the issues of their data."""
