"""Logging in at an OpenID Connect provider: who somebody is there, and what that opens here. Makes no session."""
