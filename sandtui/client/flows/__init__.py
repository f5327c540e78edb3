"""What can be done with sandboxes: one module for each noun, written once for both clients.

A client is these groups over a port: :class:`~sandtui.client.flows.bulk.Bulk` (which brings lifecycle, commands,
files and jobs), :class:`~sandtui.client.flows.ports.Ports` and :class:`~sandtui.client.flows.access.Access`.
"""
