"""`python -m commerce_platform.cli`."""

from commerce_platform.cli.main import main

main()
