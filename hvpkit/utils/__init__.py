"""Small pieces that every folder may use, one file for each."""
