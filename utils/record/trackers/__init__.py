"""Where a run's metrics may also go: each file NAME.py here is what `--track NAME` takes.

A file is named as what it imports, names the `PACKAGE` that pip installs for that, and defines a class
`Tracker(name, folder, flags)` with `log(step, values)` and `close()`. All of them write on this machine unless their
own environment variables say else. A run that goes on makes its log anew from its record, so a Tracker begins by
removing what it has of the run.
"""
