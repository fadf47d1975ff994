"""A national result as a static website: every figure down to the precinct, in three languages.

Only the store (`tally.national.store`) is read, with the definition and the tree of
commissions. No page needs a server, a script or another machine: links are relative, charts
are inline SVG with the same figures in a table beside them.
"""
