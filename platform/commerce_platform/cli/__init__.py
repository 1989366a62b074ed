"""The operator's command line: what the Makefile's verbs do."""
