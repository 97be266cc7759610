"""`python -m czengine` is the command `czengine`."""

from czengine.cli import main

if __name__ == "__main__":
    main()
