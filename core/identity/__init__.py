"""Who may do what, and the keys they sign with: roles, sealed keys, secrets, the station's key."""
