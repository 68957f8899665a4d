"""`python -m moderation`: the same as the `moderation` command, wherever the script's own path would be too long."""

from moderation.cli import main

if __name__ == "__main__":
    main()
