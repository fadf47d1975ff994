"""An election night on one machine: ballots printed, marked, scanned, counted, compared."""
