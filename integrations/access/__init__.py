"""Whether a call may be made now: tokens, their lock, the shared rate limit, the client."""
