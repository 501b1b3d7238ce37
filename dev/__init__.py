"""What runs the product on one machine: launcher, stand-in eAccounting, demo data. The product imports none of it."""
