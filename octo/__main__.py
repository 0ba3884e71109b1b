"""`python -m octo`: the same as the command `octo`."""

from octo.cli.main import main

if __name__ == "__main__":
    main()
