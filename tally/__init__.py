"""The count after the count: packages in, verified totals, seats and a reconciliation out.

In come signed results packages (bytes), the election, its profile, a trust store and the
typed paper count; out go accepted and refused packages with reasons (`verification`),
totals (`totals`), seats (`seats`), electronic against paper (`reconciliation`) and one
report for people and machines (`report`). Nothing here holds all ballots in memory: a
package is reduced to its figures before the next one is opened.
"""
