"""What the plain schedules never do: each hazard is switched on by its name, and says what it makes of the world."""
