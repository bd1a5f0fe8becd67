"""How much of each package the tests run, against a floor for each: see scripts/coverage."""
