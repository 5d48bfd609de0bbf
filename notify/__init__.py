"""Sends notifications out of the application: e-mails to the workspace's owner, and a webhook to the host.

Messages wait in the outbox (`store/outbox.py`) until the sender (`sender.py`) hands them to the channels.
"""
