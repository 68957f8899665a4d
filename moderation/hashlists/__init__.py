"""Hash lists: what frames of incoming clips are compared with. Finds; decides nothing."""
