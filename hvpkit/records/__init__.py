"""One JSON record of a user's file, and the issues that were found in records."""
