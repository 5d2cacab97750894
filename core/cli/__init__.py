"""The command line: parse, ask or change through the client, print a table or JSON."""
