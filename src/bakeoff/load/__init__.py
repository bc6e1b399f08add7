"""The open-loop load generator: requests leave on a schedule, whatever the server does."""
