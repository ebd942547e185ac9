"""Makes a deployment's watchlist of portraits and papers. Knows the force's records; refuses to know cameras."""
