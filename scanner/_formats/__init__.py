"""One module a file format; `scanner.decode` is the door."""
