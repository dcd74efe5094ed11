limits = { c2s = { rate = "10kb/s" } }
