"""The fleet admin's tool. Knows lists, signatures and vans; refuses to know how a van uses them."""
