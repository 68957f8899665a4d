"""How well people and rules do, and at what cost to people: figures with their uncertainty. Decides nothing."""
