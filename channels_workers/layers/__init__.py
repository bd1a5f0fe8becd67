"""Channel layers: the contract (``base``) and its two implementations (``memory``, ``redis``)."""
