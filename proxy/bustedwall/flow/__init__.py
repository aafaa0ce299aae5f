"""ONE FLOW, AS LOGIC: events and the time go in, a finished list of commands comes out."""
