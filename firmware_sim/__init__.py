"""The precinct device as software: what stands between a scanner and the tally.

In come an election definition, sheets from any `hardware.interface.Feeder`, a reader that
says what is on them, and a key; out go a zero tape, a results tape and a signed results
package that anyone can check with stock tools. Doors: `trust` (keys and signatures),
`package` (the results package), `counting` (records to totals), `journal` (durable
storage), `device` (the states of a polling day), `tapes` (what is printed).
"""
