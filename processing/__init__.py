"""From durable readings to vital signs: panes, indicators, scores and indices of every area."""
