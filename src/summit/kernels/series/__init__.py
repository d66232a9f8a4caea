"""What can be said of a whole series: averages, trend, season, and all of it in one answer."""
