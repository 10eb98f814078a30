"""Who may do what: roles, API keys, bearer tokens of an identity provider, a limit of requests per caller."""
