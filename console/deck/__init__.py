"""Make a test deck's folder: images, printable pages and `deck.json`."""
