"""Points (alpha, lambda), and the coefficient rows that arguments of a call stand for."""
