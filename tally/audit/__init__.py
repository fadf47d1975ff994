"""Risk-limiting audits: what a sample of paper says of an outcome, measured (NVT-07).

`martingales` are the sequentially valid tests that all assertions share; `bravo` and
`supersimple` the classic ones, for comparison; `draws` the field's public samplers; `cases`
reads one measured case as JSON (`ballotbench audit risk`).
"""
