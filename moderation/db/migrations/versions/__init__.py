"""One file a revision; `schema.sql` beside this package shows the sum."""
