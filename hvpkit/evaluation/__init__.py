"""Score predictions against gold labels."""
