"""What happens in production: logs, labels, health, alerts and what they lead to."""
