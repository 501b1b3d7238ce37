"""Pages and buttons: check the role, make one service call, answer with a redirect or a fragment."""
