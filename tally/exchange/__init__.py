"""Results and records in the forms of other systems, out and in.

Out: a national result (`tally.national.store`) or a small tally as NIST Election Results
Reporting (`err`), CSV and Parquet (`tables`). In: cast vote records of other systems, counted
by the same rules as a device's own. What cannot be used is named with file, place, field and
what to do; the rest is counted where that is safe, and nothing is left out silently.
"""
