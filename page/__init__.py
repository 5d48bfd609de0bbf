"""The settings page: an HTML shell, and the web component inside it."""
