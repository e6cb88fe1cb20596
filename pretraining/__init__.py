"""Pre-training in miniature: an encoder from the text of task tables, saved at several budgets of tokens."""
