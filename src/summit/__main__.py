"""`python -m summit` is the `summit` command."""

from summit.cli.main import main

main()
