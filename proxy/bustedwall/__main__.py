"""`python -m bustedwall` is the `bustedwall` command."""

from bustedwall.cli.main import main

if __name__ == "__main__":
    main()
