"""What dashboards share: which ctx they follow, how they are served and end, what they look like."""
