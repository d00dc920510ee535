"""Building blocks of the hub: settings, encryption, events, egress, audit, metrics."""
