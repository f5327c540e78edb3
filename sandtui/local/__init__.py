"""The local platform: control plane, gateway, records and the drivers that run sandboxes."""
