"""Rules in YAML to a decision with its trace. Pure: only `loader` reads files, nothing reads a clock or a database."""
