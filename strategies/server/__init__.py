"""What the server makes of the clients' mean: each file NAME.py here is what `--strategy NAME` takes.

A file defines a class `Server(config)` with `n_states`, the vectors that it keeps from round to round (zeros at
first; a checkpoint has them, too), and `step(server_round, before, mean, states)`. That is called with parts of the
vectors, float32 [part]: `before`, the global vector that the round began with, `mean`, to be turned into the new one in
place, and `states`, likewise kept in place. So every number may depend on those at its own position alone.
"""
