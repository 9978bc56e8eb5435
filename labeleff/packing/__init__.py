"""K models of one shape trained as one: how they are packed, updated, scheduled and captured."""
