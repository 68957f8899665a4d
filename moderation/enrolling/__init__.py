"""Enrolling one's own likeness: a challenge, one recording, checks with their evidence, and what follows from them."""
