"""`python -m ultraviolet`: the same command line as `ultraviolet`."""

from ultraviolet.cli import main

if __name__ == "__main__":
    main()
