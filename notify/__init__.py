"""Notifies people outside the application: the workspace's owner by e-mail, the host by webhook.

Messages are in the outbox (`store/outbox.py`); `sender.py` passes them to the channels.
"""
