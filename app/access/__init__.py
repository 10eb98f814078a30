"""Who may do what: roles, API keys, bearer tokens of an identity provider, people whom a proxy signed in."""
