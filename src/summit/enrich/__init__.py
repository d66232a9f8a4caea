"""What is done to events before they are matched: enriched, transformed, filtered. Pure."""
