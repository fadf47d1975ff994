"""What the `pollbook` commands share: options, reading what was typed, requests."""
