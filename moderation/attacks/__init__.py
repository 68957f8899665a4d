"""The attack bench: what happens to clips elsewhere, and whether their mark is read afterwards. Runs by hand only."""
