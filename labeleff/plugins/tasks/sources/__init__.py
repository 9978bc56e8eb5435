"""Sources of data sets: archives, arrays, formats of other projects, simulations."""
