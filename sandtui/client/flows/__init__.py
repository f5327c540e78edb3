"""The operations on sandboxes, one module per noun, written once for both clients.

Each group is a class that needs only a session. :class:`~sandtui.client.flows.operations.Operations` joins them; a
group that needs another creates it for its session.
"""
