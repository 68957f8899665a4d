"""Marks in and marks out: frames, bytes and integers only. Knows nothing of clips, policies or Postgres."""
