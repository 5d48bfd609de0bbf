"""Says what happens to jobs outside of the application: by e-mail to a workspace's owner, by webhook to the host.

What is to be said stands in the outbox (`store/outbox.py`); `sender.py` takes it from there to the channels.
"""
