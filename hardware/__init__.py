"""Serial and USB drivers, simulated peers and their faults."""
