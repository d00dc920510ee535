"""Building blocks of the hub: settings, encryption, publish/subscribe, egress, audit, metrics."""
