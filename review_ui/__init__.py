"""The reviewers' web queue: the outermost layer. Uses moderation's services, never its tables."""
