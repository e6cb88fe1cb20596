"""What models are evaluated on: each file NAME.py here is a set of rows, in every run's record under its name.

A file defines `rows(config, table, plan)`, which returns the name of a split of the task's table and the set's Domains
of that split, or None where the run has none of it. It is a pure function, because each process makes the set for
itself. The rows of `plan` are those that `--test N` leaves, so a set chosen from `plan.test` is a part of these; rows
taken from the table are whole. `--test N` then cuts the set's domains as it cuts all others, and those without rows are
left out. HEADLINE comes first, then HELD_OUT, then the rest by name.
"""

HEADLINE = "test"  # what a run's closing line, its card and reports begin with
HELD_OUT = "val"  # what the best round is chosen by
