"""A short look at what the invisible mark survives: two clips, ordinary attacks, no record of it.

Two CPU minutes. The whole table takes an hour and more:
`moderation attacks --json benchmarks/results/attacks.json --pages docs`.
"""

from moderation.cli.attacks import attacks


def main() -> None:
    """Run it and print it."""
    attacks(clips=["drawn", "small"], only=["ordinary", "quality"], seconds=5)


if __name__ == "__main__":
    main()
