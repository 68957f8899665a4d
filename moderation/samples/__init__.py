"""Sample clips for a first look: drawn, spoken, and made of credited portraits. Never part of a decision."""
