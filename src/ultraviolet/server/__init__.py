"""The hub as a process: serving, supervising workers, telling systemd."""
