"""From the create form to running sandboxes."""
