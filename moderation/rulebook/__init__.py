"""Which rules judge a clip: bundles of policies and their life cycle, the pointer, emergency rules, hot reload.

Knows versions and states; what a rule means is `moderation.policy`'s alone.
"""
