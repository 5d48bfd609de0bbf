"""The status and control API: access, requests, answers, and its OpenAPI description."""
