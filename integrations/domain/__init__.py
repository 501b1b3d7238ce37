"""What is true of values, whoever asks: pure functions and small classes."""
