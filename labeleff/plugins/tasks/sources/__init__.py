"""What data sets are read from: archives, arrays, formats of other projects, simulations."""
