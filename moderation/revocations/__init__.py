"""Taking consent back: what it reaches, driving that to zero, and what can be read of it. Judges nothing itself."""
