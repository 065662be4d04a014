"""What every room may use: argument checks, files that appear whole, progress bars."""
