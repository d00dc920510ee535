"""Health: findings, freshness, the watchdog, missed deliveries, the heartbeat."""
