"""The conformance test of a scanner: its document and its report."""
