"""A made-up nation of known truth: what counting at scale is tried on."""
