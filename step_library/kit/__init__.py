"""What step authors build with, one module a subject; it holds no steps itself."""
