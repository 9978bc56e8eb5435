"""`python -m labeleff`: the command line."""

from labeleff.commands.cli import main

if __name__ == "__main__":
    main()
