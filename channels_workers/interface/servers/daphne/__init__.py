"""Every use of parts that Daphne, Twisted and autobahn do not promise."""
