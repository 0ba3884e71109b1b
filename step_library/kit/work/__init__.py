"""Work that goes on beside the steps."""
