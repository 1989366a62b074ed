"""What customers, operators and the benchmark do on the platform, through its public APIs."""
