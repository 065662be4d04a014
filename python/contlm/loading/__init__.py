"""Opening base models and adapters wherever they lie, saying what was opened, and writing them."""
