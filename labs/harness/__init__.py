"""What the labs and the tests have in common: processes, servers, sites, crowds, reports."""
