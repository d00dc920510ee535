"""Building blocks of commands: sessions, output, help, exit codes, parameters."""
