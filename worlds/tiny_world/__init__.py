"""What made the tiny world's files: its grammar, its corpora and the training of its models. Needs
the extra ``contlm[zoo]``; nothing here is read to load the world."""
