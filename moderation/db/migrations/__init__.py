"""Numbered revisions of our tables, in plain SQL; run by moderation/db/migrate.py only."""
