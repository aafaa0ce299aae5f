"""COMMANDS: one file each; imports are late so that `--help` is quick."""
