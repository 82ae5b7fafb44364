"""The command line: a file a command.

A command declares its options, checks that they go together, and hands over; what it hands over to
is imported when it runs, so that `--help` and a run in which nothing changed are quick.
"""
