"""Pages and buttons: rights, one service call, a redirect or a fragment."""
