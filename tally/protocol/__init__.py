"""The precinct's protocol: the form, its control ratios, how it comes to be, and its seal.

In: what members keyed in, results packages, the pollbook's close sheet, a hand count. Out: a
signed file (`write_protocol`) that anyone can check and that the higher commissions add up.
Doors: `tally.protocol.form` (`PrecinctForm`, `parse_form`), `tally.protocol.sealed`
(`read_protocol`, `write_protocol`, `verify_protocol`).
"""
