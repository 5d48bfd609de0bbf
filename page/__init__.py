"""The settings page: a shell of HTML, and the web component that it holds."""
