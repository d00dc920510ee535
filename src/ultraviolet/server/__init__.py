"""Run the hub as a process: server, supervisor of workers, systemd notifications."""
