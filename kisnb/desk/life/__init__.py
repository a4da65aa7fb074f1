"""How a desk comes to life, is found, restarted, halted from outside and stopped."""
