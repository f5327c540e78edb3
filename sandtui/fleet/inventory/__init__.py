"""The sandboxes that are known: kept fresh, filtered, sorted, grouped, and acted on."""
