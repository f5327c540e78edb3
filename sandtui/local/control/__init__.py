"""The control plane: one module for each group of calls, and the life of a sandbox behind them."""
