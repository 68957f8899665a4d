"""Pixels and words to findings. Knows nothing of clips, policies or Postgres.

Imports neither watermark nor moderation; model runtimes only inside functions.
"""
