"""`python -m labeleff`: the command line."""

from labeleff.cli import main

if __name__ == "__main__":
    main()
