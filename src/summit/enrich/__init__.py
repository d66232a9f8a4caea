"""What is done to events before they are matched: transformed, filtered, routed. Pure."""
