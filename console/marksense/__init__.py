"""Mark-sense readers and elections: levels of cells to readings, readings to records.

`forms` says which cell is which option of a definition's papers and reads a sheet's levels;
`count` runs a reader through a stack and keeps each sheet; `outcome` makes the results;
`bench` sets a deck's truth beside them.
"""
