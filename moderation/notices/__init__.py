"""Notices from outside: taken in, hidden provisionally, decided by people within a clock. Publishes nothing."""
