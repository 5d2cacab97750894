"""Feature views, point-in-time training sets, online values, and the hunt for leaks."""
