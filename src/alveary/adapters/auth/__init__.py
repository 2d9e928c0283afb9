"""Login plug-ins that come with the unit; others are installed beside it."""
