"""What is known of First Resonance ION: its contract, its documents, its client, its deliveries."""
