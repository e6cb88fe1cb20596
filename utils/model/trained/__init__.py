"""What of a model is trained, and so travels: each file NAME.py here is what `--train NAME` takes, beside all.

A file defines `trained(model, head, config)`, which returns the names of the parameters that are trained, `head` (the
names of the head's) among them, after it has added to the model, in place, what that takes. A frozen dataclass `Flags`
declares its own flags (utils/flags.py), whose values are `config.train_flags`. What is drawn comes from torch's
generator, which is seeded.

It may define `ready(model, head, batches)`, too, which changes a new head before the first round, by training rows
(utils/model/ready.py); `PRECISION`, what `--precision auto` is with it; and `BODY_TRAINS = False`, so that what is not
the head's is in evaluation mode, without dropout, in training, too.
"""
