"""Small scripts for keeping the project; nothing here is installed with it."""
