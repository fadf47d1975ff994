"""Bench-test a scanner: a deck of known truth through it, statistics, reports."""
