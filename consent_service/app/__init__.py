"""The composition root: opens what is needed in order, hands it to constructors, closes in reverse (ANCHORS 9)."""
