"""Jobs carried out and recorded, up to a whole run; `scheduling` decides which come next."""
