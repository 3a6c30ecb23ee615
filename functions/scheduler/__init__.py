"""What Cloud Scheduler calls."""
