"""What the connection page shows and takes beside the connection itself."""
